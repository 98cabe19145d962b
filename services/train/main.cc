#include "services/train/train_service.h"

int main(int argc, char** argv) {
  return trainyard::service::RunServiceMain(argc, argv, trainyard::services::TrainServiceProgram());
}
