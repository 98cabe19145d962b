#pragma once

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/convert_engine.pb.h"

namespace trainyard::services {

/// Each checks a request, all of it, and returns the work: a job for the engine worker. The workspace
/// must outlive the work. They fail as ConvertEngineService's methods say.
absl::StatusOr<service::StageRun> PrepareBuild(const v1::BuildRequest& request,
                                               const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareEvaluateEngine(const v1::EvaluateEngineRequest& request,
                                                        const service::Workspace& workspace);
absl::StatusOr<service::StageRun> PrepareInferEngine(const v1::InferEngineRequest& request,
                                                     const service::Workspace& workspace);

}  // namespace trainyard::services
