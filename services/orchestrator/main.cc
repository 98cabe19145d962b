#include "services/orchestrator/orchestrator_program.h"

int main(int argc, char** argv) {
  return trainyard::service::RunServiceMain(argc, argv,
                                            trainyard::orchestrator::OrchestratorServiceProgram());
}
