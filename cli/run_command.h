#pragma once

#include <string>

#include "cli/display.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {

/// Shows a run of a pipeline until its end, then its ledger, and gives the exit code. Ctrl-C: a run
/// of an orchestrator `elsewhere` goes on, and how to come back to it is printed; with "", when the
/// orchestrator ends with this process, it is cancelled.
int FollowRun(const OutputOptions& output, const std::string& elsewhere,
              v1::OrchestratorService::Stub& stub, const v1::Run& run);

}  // namespace trainyard::cli
