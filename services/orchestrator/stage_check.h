#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/pipeline.h"

namespace trainyard::orchestrator {

/// Checks all that can be checked of a pipeline's stages before anything runs: references, specs,
/// addresses, and the requests of stages that need no other stage by their own services. `key` as in
/// StartRunRequest. Asks nobody for longer than some seconds, and no address again that did not
/// answer.
///
/// All problems at once, below the names of their stages; kInvalidArgument, or the one code that all
/// have; kUnavailable when a service does not answer.
absl::Status CheckStages(const Environment& environment, const Pipeline& pipeline,
                         const std::string& key);

}  // namespace trainyard::orchestrator
