#include "libs/training/artifacts.h"

#include "absl/time/clock.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/detection/results.h"

namespace trainyard::training {

absl::StatusOr<v1::Artifact> FileArtifact(absl::string_view name, const std::string& path,
                                          absl::string_view kind) {
  v1::Artifact artifact;
  artifact.set_name(std::string(name));
  artifact.set_uri(path);
  artifact.set_kind(std::string(kind));
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), FileDigest(path));
  TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  artifact.set_size_bytes(size);
  return artifact;
}

absl::Status AddSizeMetrics(const Graph& graph, worker::v1::Finished& finished) {
  TY_ASSIGN_OR_RETURN(const int64_t macs, graph.MacCount());
  const auto add = [&finished](const char* name, int64_t value) {
    v1::Metric& metric = *finished.add_metrics();
    metric.set_name(name);
    metric.set_value(static_cast<double>(value));
  };
  add("parameters", graph.ParameterCount());
  add("macs", macs);
  return absl::OkStatus();
}

void NoteFailure(const std::string& results_dir, const absl::Status& status) {
  if (results_dir.empty() || !FolderExists(results_dir)) return;
  const absl::Status noted =
      AppendStatus(JoinPath(results_dir, "status.json"),
                   {.status = absl::IsCancelled(status) ? "SKIPPED" : "FAILURE",
                    .message = Redact(std::string(status.message()))},
                   absl::Now());
  if (!noted.ok()) LogWarning("status.json cannot be written", {{"error", noted.message()}});
}

}  // namespace trainyard::training
