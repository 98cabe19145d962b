#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/train.pb.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::services {

/// Each checks a request, all of it, and returns the work: a job for the train worker. The
/// workspace must outlive the work. They fail as TrainService's methods say
/// (protos/trainyard/v1/train.proto). PrepareTrain's work is TrainJob's job, which an operation
/// completes.
absl::StatusOr<service::StageRun> PrepareTrain(const v1::TrainRequest& request,
                                               const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareEvaluate(const v1::EvaluateRequest& request,
                                                  const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareInfer(const v1::InferRequest& request,
                                               const service::Workspace& workspace);

/// The job of a training, as far as the request says it, with what the spec deserves to be warned
/// of added to `warnings`. Fails as PrepareTrain.
absl::StatusOr<worker::v1::WorkerJob> TrainJob(const v1::TrainRequest& request,
                                               const service::Workspace& workspace,
                                               std::vector<std::string>& warnings);

}  // namespace trainyard::services
