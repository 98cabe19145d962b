// Trains, evaluates and infers with LibTorch: one job, read from its folder, then ends
// (libs/worker/runtime.h).

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/training/device.h"
#include "libs/training/judge.h"
#include "libs/training/trainer.h"
#include "libs/worker/runtime.h"

namespace {

using trainyard::worker::Task;
using trainyard::worker::WorkerJob;

// Makes LibTorch's threads sleep, not spin, between their pieces of work: with the loader's threads
// on the same cores, spinning made a training several times slower (docs/training.md). libgomp
// reads its settings while it is loaded, before main, so the program starts itself once more;
// whoever starts it with the variable saves that. Should exec fail, it goes on and is only slower.
void SleepBetweenWork(char** argv) {
  if (getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/1);
  execv("/proc/self/exe", argv);
}

absl::StatusOr<Task> Choose(const WorkerJob& job) {
  switch (job.task_case()) {
    case WorkerJob::kTrain:
      return Task(trainyard::training::Train);
    case WorkerJob::kEvaluate:
      return Task(trainyard::training::EvaluateModel);
    case WorkerJob::kInfer:
      return Task(trainyard::training::InferImages);
    default:
      return absl::InvalidArgumentError(
          "trainyard-train-worker was given a task that is not its own; it trains, evaluates and "
          "infers");
  }
}

absl::StatusOr<std::vector<std::string>> ListDevices() {
  return trainyard::training::ListDevices();
}

}  // namespace

int main(int argc, char** argv) {
  SleepBetweenWork(argv);
  return trainyard::worker::RunWorker(argc, argv, {Choose, ListDevices});
}
