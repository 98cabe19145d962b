#pragma once

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard {

/// Each checks a request, all of it, and returns the work: a job for the train worker. The workspace
/// must outlive the work. They fail as TrainService's methods say (protos/trainyard/v1/train.proto).
absl::StatusOr<service::StageRun> PrepareTrain(const v1::TrainRequest& request,
                                               const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareEvaluate(const v1::EvaluateRequest& request,
                                                  const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareInfer(const v1::InferRequest& request,
                                               const service::Workspace& workspace);

}  // namespace trainyard
