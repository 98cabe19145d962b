#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/tasks/status_json.h"
#include "libs/pruning/prune.h"
#include "libs/pruning/prune_task.h"
#include "libs/sealing/model_store.h"
#include "libs/worker/outcome.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::PruneTask;

constexpr int kSteps = 3;

absl::Status AddLineage(const PruneTask& task, pruning::PruneResult& pruned) {
  model::v1::LineageStep& step = *pruned.model.record.add_lineage();
  step.set_stage("prune");
  step.set_note(absl::StrFormat("kept %.1f %% of %d parameters", 100 * pruned.ratio,
                                pruned.parameters_before));
  TY_ASSIGN_OR_RETURN(const std::string parent, FileDigest(task.model()));
  step.set_parent_sha256(parent);
  return absl::OkStatus();
}

absl::StatusOr<Finished> Describe(const PruneTask& task, const pruning::PruneResult& pruned,
                                  double threshold) {
  Finished finished;
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("model", task.output(), "tlt"));
  const auto add = [&finished](absl::string_view name, double value, absl::string_view unit = "") {
    *finished.add_metrics() = worker::MakeMetric(name, value, unit);
  };
  add("pruning_ratio", pruned.ratio);
  finished.mutable_metrics(0)->set_primary(true);
  add("parameters", static_cast<double>(pruned.parameters_after));
  add("parameters_before", static_cast<double>(pruned.parameters_before));
  // Absent where the graph leaves a size open.
  if (pruned.macs_after.has_value()) add("macs", static_cast<double>(*pruned.macs_after));
  add("bytes", static_cast<double>(finished.outputs(0).size_bytes()), "bytes");
  add("threshold", threshold);
  finished.add_notes(absl::StrFormat("Pruning ratio (pruned model / original model): %.17g",
                                     pruned.ratio));
  return finished;
}

absl::StatusOr<Finished> Work(Context& context, const PruneTask& task) {
  BeginStep(context, 0, kSteps, "reading the model");
  TY_ASSIGN_OR_RETURN(
      const sealing::SealedModel sealed,
      sealing::LoadModel(task.model(), {sealing::SealedKind::kCheckpoint}, context.key));
  TY_RETURN_IF_ERROR(CheckStop(context));
  BeginStep(context, 1, kSteps, "removing channels");
  TY_ASSIGN_OR_RETURN(pruning::PruneOptions options, pruning::PruneOptionsOf(task));
  if (task.has_remove()) {
    TY_ASSIGN_OR_RETURN(options.threshold,
                        pruning::ThresholdForRatio(sealed.model, options, task.remove()));
  }
  TY_ASSIGN_OR_RETURN(pruning::PruneResult pruned, pruning::Prune(sealed.model, options));
  for (const std::string& warning : pruned.warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
  TY_RETURN_IF_ERROR(AddLineage(task, pruned));
  TY_RETURN_IF_ERROR(CheckStop(context));
  BeginStep(context, 2, kSteps, "writing the model");
  TY_RETURN_IF_ERROR(MakeFolders(DirName(task.output())));
  TY_RETURN_IF_ERROR(sealing::SaveModel(task.output(), sealing::SealedKind::kCheckpoint,
                                        pruned.model, sealing::Sections(), context.key));
  TY_ASSIGN_OR_RETURN(Finished finished, Describe(task, pruned, options.threshold));
  BeginStep(context, kSteps, kSteps, "done");
  return finished;
}

double MetricOf(const Finished& finished, absl::string_view name) {
  for (const auto& metric : finished.metrics()) {
    if (metric.name() == name) return metric.value();
  }
  return 0;
}

// TAO's line: sizes in MiB, parameters in millions.
tasks::StatusEntry SuccessEntry(const Finished& finished) {
  tasks::StatusEntry entry{.status = "SUCCESS", .message = "Pruning finished successfully."};
  entry.kpi = {{"pruning_ratio", JsonNumber(MetricOf(finished, "pruning_ratio"))},
               {"size", JsonNumber(MetricOf(finished, "bytes") / (1 << 20))},
               {"param_count", JsonNumber(MetricOf(finished, "parameters") / 1e6)}};
  return entry;
}

absl::Status NoteInStatus(const std::string& folder, const absl::StatusOr<Finished>& result) {
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  const tasks::StatusEntry entry =
      result.ok() ? SuccessEntry(*result)
                  : tasks::StatusEntry{.status = "FAILURE",
                                       .message = absl::IsCancelled(result.status())
                                                      ? "Pruning was interrupted"
                                                      : Redact(result.status().message())};
  return tasks::AppendStatus(JoinPath(folder, "status.json"), entry, absl::Now());
}

}  // namespace

absl::StatusOr<Finished> PruneModel(Context& context) {
  const PruneTask& task = context.job.prune();
  absl::StatusOr<Finished> result = Work(context, task);
  if (task.results_dir().empty()) return result;
  const absl::Status noted = NoteInStatus(task.results_dir(), result);
  if (!result.ok()) return result;
  TY_RETURN_IF_ERROR(noted);
  TY_ASSIGN_OR_RETURN(
      *result->add_outputs(),
      worker::DescribeArtifact("results", JoinPath(task.results_dir(), "status.json"), "log"));
  return result;
}

}  // namespace trainyard::stage_worker
