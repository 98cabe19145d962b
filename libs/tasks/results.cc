#include "libs/tasks/results.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/tasks/metrics.h"
#include "libs/tasks/status_json.h"

namespace trainyard::tasks {

std::string ResultsJson(const EvaluationResult& result) {
  JsonMembers members = result.evaluation->Json();
  members.emplace_back("images", absl::StrCat(result.run.images));
  members.emplace_back("images_skipped", absl::StrCat(result.run.images_skipped));
  if (result.run.latency.runs > 0) {
    members.emplace_back("ms_per_image", JsonNumber(result.run.latency.ms_per_image));
    members.emplace_back("latency_batch_size", absl::StrCat(result.run.latency.batch_size));
  }
  return JsonObject(members) + "\n";
}

absl::Status WriteResults(const std::string& folder, const EvaluationResult& result,
                          absl::Time now) {
  TY_ASSIGN_OR_RETURN(const auto files, result.evaluation->Files());
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "results.json"), ResultsJson(result)));
  for (const auto& [name, bytes] : files) {
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, name), bytes));
  }
  StatusEntry entry{.status = "SUCCESS", .message = "Evaluation finished successfully."};
  const trainyard::v1::Metric primary = result.evaluation->Metrics().front();
  entry.kpi.emplace_back(ColumnOf(primary), JsonNumber(primary.value()));
  return AppendStatus(JoinPath(folder, "status.json"), entry, now);
}

}  // namespace trainyard::tasks
