#include <algorithm>
#include <string>

#include "libs/base/status.h"
#include "libs/data/convert.h"
#include "libs/data/offline_augment.h"
#include "libs/data/profile.h"
#include "libs/report/shrink.h"
#include "libs/worker/outcome.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;

/// Told one by one; the ledger has them all.
constexpr size_t kMostLeftOut = 100;

void NoteLedger(Finished& finished, const data::Ledger& ledger) {
  const auto add = [&finished](absl::string_view name, int64_t value, absl::string_view unit) {
    *finished.add_metrics() = worker::MakeMetric(name, static_cast<double>(value), unit);
  };
  add("images", ledger.images - ledger.RefusedImages(), "images");
  add("images_refused", ledger.RefusedImages(), "images");
  add("lines_refused", ledger.RefusedLines(), "lines");
  for (const std::string& line : ledger.Describe(kMostLeftOut)) finished.add_notes(line);
}

}  // namespace

absl::StatusOr<Finished> Convert(Context& context) {
  const auto& task = context.job.convert();
  const data::ConvertOptions options{
      .root = task.root(),
      .output_prefix = task.output_prefix(),
      .class_names = {task.class_names().begin(), task.class_names().end()},
      .strict = task.strict(),
      .random_seed = task.random_seed(),
      .threads = std::max(1, context.job.threads())};
  const auto report_progress = [&context](const data::ConvertProgress& progress) {
    context.Progress(static_cast<double>(progress.done), static_cast<double>(progress.total),
                     "images", progress.phase);
  };
  TY_ASSIGN_OR_RETURN(const data::ConvertReport report,
                      data::ConvertKitti(task.config(), options, report_progress, context.stop));
  Finished finished;
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(), worker::DescribeArtifact(
                                                   "dataset", options.output_prefix, "tfrecords"));
  for (const std::string& note : report.notes) finished.add_notes(note);
  NoteLedger(finished, report.ledger);
  return finished;
}

absl::StatusOr<Finished> Augment(Context& context) {
  const auto& task = context.job.augment();
  const data::OfflineAugmentOptions options{.root = task.root(),
                                            .output = task.output(),
                                            .strict = task.strict(),
                                            .threads = std::max(1, context.job.threads())};
  const auto report_progress = [&context](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", "");
  };
  TY_ASSIGN_OR_RETURN(const data::OfflineAugmentReport report,
                      data::AugmentDataSet(task.config(), options, report_progress, context.stop));
  const bool is_coco = task.config().data_services().data().dataset_type() == "coco";
  Finished finished;
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("dataset", options.output, is_coco ? "coco" : "kitti"));
  for (const std::string& note : report.notes) finished.add_notes(note);
  NoteLedger(finished, report.ledger);
  return finished;
}

absl::StatusOr<Finished> Profile(Context& context) {
  const auto& task = context.job.profile();
  const data::ProfileOptions options{.data = task.data(),
                                     .output = task.output(),
                                     .validation_share = task.validation_share(),
                                     .random_seed = task.random_seed(),
                                     .most_compared = task.most_compared(),
                                     .probe_pictures = task.probe_pictures(),
                                     .most_objects = std::max(1, task.most_objects()),
                                     .strict = task.strict(),
                                     .threads = std::max(1, context.job.threads())};
  const auto report_progress = [&context](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", "");
  };
  Finished finished;
  TY_ASSIGN_OR_RETURN(*finished.mutable_profile(),
                      data::ProfileData(options, report_progress, context.stop));
  return finished;
}

absl::StatusOr<Finished> ShrinkForReport(Context& context) {
  const auto& task = context.job.pictures();
  TY_RETURN_IF_ERROR(
      report::ShrinkPictures(task.images(), task.count(), task.max_side(), task.output()));
  return Finished();
}

}  // namespace trainyard::stage_worker
