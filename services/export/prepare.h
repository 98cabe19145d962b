#pragma once

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/export.pb.h"

namespace trainyard::services {

/// Checks a request, all of it, and returns the work, which starts workers: the stage worker, and for
/// INT8 calibration, which runs the network, an engine worker. The workspace must outlive the work. Outputs must not exist unless forced, but an operation that is taken up may find its own.
/// Fails as ExportService.Export says.
absl::StatusOr<service::StageRun> PrepareExport(const v1::ExportRequest& request,
                                               const service::Workspace& workspace,
                                               service::Occasion occasion);

}  // namespace trainyard::services
