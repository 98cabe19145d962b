#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/engine/backend.h"
#include "libs/engine/fingerprint.h"
#include "libs/worker/runtime.h"
#include "workers/engine-worker/tasks.h"

namespace {

using trainyard::worker::Task;
using trainyard::worker::WorkerJob;

absl::StatusOr<Task> ChooseTask(const WorkerJob& job) {
  switch (job.task_case()) {
    case WorkerJob::kBuildEngine:
      return Task(trainyard::engine_worker::BuildEngineFile);
    case WorkerJob::kCalibrate:
      return Task(trainyard::engine_worker::CalibrateModel);
    case WorkerJob::kEvaluate:
      return Task(trainyard::engine_worker::EvaluateEngine);
    case WorkerJob::kInfer:
      return Task(trainyard::engine_worker::InferWithEngine);
    default:
      return absl::UnimplementedError(
          "engine-worker builds, calibrates, evaluates and runs engines; this job asks for "
          "something else");
  }
}

/// The processor and the runtime, which engines are bound to, and the digest of both.
absl::StatusOr<std::vector<std::string>> ListDevices() {
  TY_ASSIGN_OR_RETURN(const trainyard::engine::Backend* backend,
                      trainyard::engine::FindBackend("openvino"));
  const auto machine = trainyard::engine::ThisMachine();
  const std::string& version = backend->capabilities().version;
  return std::vector<std::string>{
      absl::StrCat("cpu ", trainyard::engine::Describe(machine), ", openvino ", version,
                   ", fingerprint ", trainyard::engine::FingerprintDigest(machine, version))};
}

}  // namespace

int main(int argc, char** argv) {
  return trainyard::worker::RunWorker(argc, argv, {ChooseTask, ListDevices});
}
