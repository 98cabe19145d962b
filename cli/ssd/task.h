#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cli/commands.h"
#include "cli/stage_command.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::cli::ssd {

/// What all sub-tasks share, with TAO's names. Lives as long as the parser.
struct Task {
  Session session;
  std::string spec, key, model, results_dir;
  std::vector<std::string> overrides;
  // Wrapper options of TAO that mean nothing here (accepted, documented in docs/cli.md).
  int ignored_processes = 0;
  bool verbose = false;
};

void AddTaskFlags(CLI::App& command, Task& task);
CLI::Option* AddSpec(CLI::App& command, Task& task);

/// The network, the key and, when there is one, the spec: read here.
absl::StatusOr<v1::StageInput> StageOf(const Task& task);

/// RunStage, unless the request could not be made.
template <typename Request>
int Send(const Task& task, const absl::StatusOr<Request>& request) {
  if (!request.ok()) return PrintFailure(task.session.output, request.status(), FailedAt::kUsage);
  return RunStage(task.session, *request);
}

/// Each registers its sub-tasks below `ssd`.
void AddDatasetConvert(CLI::App& ssd, Run& run);
void AddTrain(CLI::App& ssd, Run& run);
void AddEvaluate(CLI::App& ssd, Run& run);
void AddInference(CLI::App& ssd, Run& run);
void AddPrune(CLI::App& ssd, Run& run);
void AddExport(CLI::App& ssd, Run& run);
/// TAO Deploy's name for `converter`.
void AddGenTrtEngine(CLI::App& ssd, Run& run);

}  // namespace trainyard::cli::ssd
