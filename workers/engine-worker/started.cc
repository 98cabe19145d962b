#include "workers/engine-worker/artifacts.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/engine/backend.h"

namespace trainyard::engine_worker {

absl::StatusOr<v1::Artifact> DescribeArtifact(absl::string_view name, const std::string& path,
                                              absl::string_view kind) {
  v1::Artifact artifact;
  artifact.set_name(std::string(name));
  artifact.set_uri(path);
  artifact.set_kind(std::string(kind));
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), PathDigest(path));
  TY_ASSIGN_OR_RETURN(const int64_t size, PathSize(path));
  artifact.set_size_bytes(size);
  return artifact;
}

absl::Status ReportStarted(worker::Context& context) {
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend("openvino"));
  worker::WorkerEvent event;
  event.mutable_started()->set_pid(getpid());
  event.mutable_started()->set_device(absl::StrCat("cpu (", context.job.threads(), " threads), ",
                                                   backend->capabilities().name, " ",
                                                   backend->capabilities().version));
  return context.journal.Append(std::move(event));
}

v1::Metric MakeMetric(absl::string_view name, double value, absl::string_view unit,
                      bool higher_is_better) {
  v1::Metric metric;
  metric.set_name(std::string(name));
  metric.set_value(value);
  metric.set_unit(std::string(unit));
  metric.set_higher_is_better(higher_is_better);
  return metric;
}

}  // namespace trainyard::engine_worker
