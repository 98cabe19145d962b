#pragma once

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/prune.pb.h"

namespace trainyard::services {

/// Checks a request, all of it, and returns the work, which starts a worker. The workspace must outlive
/// the work. Fails as PruneService.Prune says.
absl::StatusOr<service::StageRun> PreparePrune(const v1::PruneRequest& request,
                                               const service::Workspace& workspace);

}  // namespace trainyard::services
