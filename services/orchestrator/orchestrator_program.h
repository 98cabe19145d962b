#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/service/main_support.h"

namespace trainyard::orchestrator {

/// The program `trainyard-orchestrator`, for its main function and for processes that hold the service
/// themselves. `default_services`: addresses by service, used where neither the pipeline nor
/// --service names one:
///
///     --service train=127.0.0.1:7002    an address of a service, for pipelines that name none; may be
///                                       given again, also for the same service
///     --max-runs 64, --max-waiting-runs 1000    runs that work, and that wait, at one time
///     --keep-runs 720h                  forgets runs that ended before that; default: never
service::ServiceProgram OrchestratorServiceProgram(
    std::map<std::string, std::vector<std::string>> default_services = {});

/// `{"train=a:1", "train=b:2"}` by service. kInvalidArgument lists what is not NAME=HOST:PORT, or names
/// no service of stages.
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ParseServices(
    absl::Span<const std::string> words);

}  // namespace trainyard::orchestrator
