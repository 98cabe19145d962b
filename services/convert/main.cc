#include "services/convert/convert_service.h"

int main(int argc, char** argv) {
  return trainyard::service::RunServiceMain(argc, argv,
                                            trainyard::services::ConvertServiceProgram());
}
