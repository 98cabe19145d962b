#include "libs/worker/outcome.h"

#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::worker {

absl::StatusOr<trainyard::v1::Artifact> DescribeArtifact(absl::string_view name,
                                                         const std::string& path,
                                                         absl::string_view kind) {
  trainyard::v1::Artifact artifact;
  artifact.set_name(std::string(name));
  artifact.set_uri(path);
  artifact.set_kind(std::string(kind));
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), PathDigest(path));
  TY_ASSIGN_OR_RETURN(const int64_t size, PathSize(path));
  artifact.set_size_bytes(size);
  return artifact;
}

trainyard::v1::Metric MakeMetric(absl::string_view name, double value, absl::string_view unit,
                                 bool higher_is_better) {
  trainyard::v1::Metric metric;
  metric.set_name(std::string(name));
  metric.set_value(value);
  metric.set_unit(std::string(unit));
  metric.set_higher_is_better(higher_is_better);
  return metric;
}

}  // namespace trainyard::worker
