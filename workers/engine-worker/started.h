#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/worker/runtime.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::engine_worker {

/// Describes a file or folder that a task made: digest and size filled in.
absl::StatusOr<v1::Artifact> DescribeArtifact(absl::string_view name, const std::string& path,
                                              absl::string_view kind);

/// Tells the journal on what the work runs: "cpu (2 threads), openvino 2026.4...". Fails as
/// Journal::Append and FindBackend.
absl::Status ReportStarted(worker::Context& context);

v1::Metric MakeMetric(absl::string_view name, double value, absl::string_view unit,
                      bool higher_is_better);

}  // namespace trainyard::engine_worker
