#pragma once

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/convert.pb.h"

namespace trainyard::services {

/// Each checks a request, all of it, and returns the work, which starts a worker. The workspace must
/// outlive the work. They fail as ConvertService's methods say.
absl::StatusOr<service::StageRun> PrepareConvert(const v1::ConvertRequest& request,
                                                 const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareAugment(const v1::AugmentRequest& request,
                                                 const service::Workspace& workspace);

}  // namespace trainyard::services
