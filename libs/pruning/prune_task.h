#pragma once

#include "absl/status/statusor.h"
#include "libs/pruning/prune.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::pruning {

/// The options of a pruning as a job carries them. kInvalidArgument for names that nothing has, and
/// as Validate.
absl::StatusOr<PruneOptions> PruneOptionsOf(const worker::v1::PruneTask& task);

}  // namespace trainyard::pruning
