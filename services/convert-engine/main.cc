#include "services/convert-engine/convert_engine_service.h"

int main(int argc, char** argv) {
  return trainyard::service::RunServiceMain(argc, argv,
                                            trainyard::services::ConvertEngineServiceProgram());
}
