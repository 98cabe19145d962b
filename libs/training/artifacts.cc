#include "libs/training/artifacts.h"

#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/tasks/status_json.h"
#include "libs/worker/outcome.h"

namespace trainyard::training {

absl::Status AddSizeMetrics(const graph::Graph& graph, worker::v1::Finished& finished) {
  TY_ASSIGN_OR_RETURN(const int64_t macs, graph.MacCount());
  *finished.add_metrics() =
      worker::MakeMetric("parameters", static_cast<double>(graph.ParameterCount()));
  *finished.add_metrics() = worker::MakeMetric("macs", static_cast<double>(macs));
  return absl::OkStatus();
}

void NoteFailure(const std::string& results_dir, const absl::Status& status) {
  if (results_dir.empty() || !FolderExists(results_dir)) return;
  const absl::Status noted =
      tasks::AppendStatus(JoinPath(results_dir, "status.json"),
                          {.status = absl::IsCancelled(status) ? "SKIPPED" : "FAILURE",
                           .message = Redact(std::string(status.message()))},
                          absl::Now());
  if (!noted.ok()) LogWarning("status.json cannot be written", {{"error", noted.message()}});
}

}  // namespace trainyard::training
