#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/pruning/internal/plan.h"
#include "libs/pruning/prune.h"

namespace trainyard::pruning::internal {

/// What the user should hear of a pruning, a sentence or two each: that nothing went and which
/// thresholds would remove 30, 50 and 70 %; that the threshold lies above every score; that most of
/// the model went; which layers stayed whole for a node without a rule.
absl::StatusOr<std::vector<std::string>> AdviceOn(const Plan& plan, const PruneOptions& options,
                                                  const PruneResult& result);

}  // namespace trainyard::pruning::internal
