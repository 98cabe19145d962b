#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::worker {

/// A file or folder that a task made: absolute path, kind, size and digest.
/// Reads all of it. kNotFound when it is not there.
absl::StatusOr<trainyard::v1::Artifact> DescribeArtifact(absl::string_view name,
                                                         const std::string& path,
                                                         absl::string_view kind);

/// A metric of no class in one line.
trainyard::v1::Metric MakeMetric(absl::string_view name, double value, absl::string_view unit = "",
                                 bool higher_is_better = false);

}  // namespace trainyard::worker
