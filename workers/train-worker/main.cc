// Trains, evaluates and infers with LibTorch: one job, read from its folder, then ends
// (libs/worker/runtime.h).

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/training/judge.h"
#include "libs/training/trainer.h"
#include "libs/worker/runtime.h"

namespace {

using trainyard::worker::Task;
using trainyard::worker::WorkerJob;

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

}  // namespace

int main(int argc, char** argv) { return trainyard::worker::RunWorker(argc, argv, Choose); }
