#include <cstdio>
#include <string>

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

/// Two lines: the digest that cache keys hold (decisions.md B25), and what it stands for.
int PrintFingerprint() {
  const auto backend = trainyard::FindBackend("openvino");
  if (!backend.ok()) {
    std::fprintf(stderr, "%s\n", std::string(backend.status().message()).c_str());
    return 1;
  }
  const auto machine = trainyard::ThisMachine();
  const std::string& version = (*backend)->capabilities().version;
  std::printf("%s\n%s, openvino %s\n", trainyard::FingerprintDigest(machine, version).c_str(),
              trainyard::Describe(machine).c_str(), version.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--fingerprint") return PrintFingerprint();
  return trainyard::worker::RunWorker(argc, argv, ChooseTask);
}
