#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/display.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {

/// The request to run a pipeline file: its text and those of the specs that it names, which travel with
/// it, since the orchestrator need not see its folder; a request_id. Fails as ReadFile.
absl::StatusOr<v1::StartRunRequest> RunRequestOf(const std::string& pipeline);

/// A run as it was when it was left.
struct FollowedRun {
  v1::Run run;
  /// Of the Ctrl-C that came meanwhile; 0 = none.
  int exit_code = 0;
};

/// Shows a run of a pipeline until its end. Ctrl-C as FollowRun; of a run `elsewhere` the last state
/// that was seen comes back then. Fails as a watch does.
absl::StatusOr<FollowedRun> FollowToTheEnd(const OutputOptions& output,
                                           const std::string& elsewhere,
                                           v1::OrchestratorService::Stub& stub, const v1::Run& run);

/// Shows a run of a pipeline until its end, then its ledger, and gives the exit code. Ctrl-C: a run
/// of an orchestrator `elsewhere` goes on, and how to come back to it is printed; with "", when the
/// orchestrator ends with this process, it is cancelled.
int FollowRun(const OutputOptions& output, const std::string& elsewhere,
              v1::OrchestratorService::Stub& stub, const v1::Run& run);

}  // namespace trainyard::cli
