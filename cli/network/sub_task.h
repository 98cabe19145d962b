#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "cli/commands.h"
#include "cli/stage_command.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::cli::network {

/// What all sub-tasks share, with TAO's names. Lives as long as the parser.
struct SubTask {
  Session session;
  std::string network, spec, key, model, results_dir;
  std::vector<std::string> overrides;
  // Wrapper options of TAO that mean nothing here (accepted, documented in docs/cli.md).
  int ignored_processes = 0;
  bool verbose = false;
};

/// Of every sub-task. Takes the network from the command's parent, which has its name.
void AddSubTaskFlags(CLI::App& command, SubTask& task);
CLI::Option* AddSpec(CLI::App& command, SubTask& task);

/// The network, the key and, when there is one, the spec: read here.
absl::StatusOr<v1::StageInput> StageOf(const SubTask& task);

/// RunStage, unless the request could not be made.
template <typename Request>
int Send(const SubTask& task, const absl::StatusOr<Request>& request) {
  if (!request.ok()) return PrintFailure(task.session.output, request.status(), FailedAt::kUsage);
  return RunStage(task.session, *request);
}

/// Each registers its sub-task below the command of a network.
void AddDatasetConvert(CLI::App& network, Run& run);
void AddTrain(CLI::App& network, Run& run);
void AddEvaluate(CLI::App& network, Run& run);
void AddInference(CLI::App& network, Run& run);
void AddPrune(CLI::App& network, Run& run);
void AddExport(CLI::App& network, Run& run);
/// TAO Deploy's name for `converter`.
void AddGenTrtEngine(CLI::App& network, Run& run);

}  // namespace trainyard::cli::network
