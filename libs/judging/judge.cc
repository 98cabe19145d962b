#include "libs/judging/judge.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/data/sources.h"
#include "libs/detection/evaluator.h"
#include "libs/detection/results.h"
#include "libs/networks/datasets.h"
#include "libs/networks/registry.h"
#include "libs/worker/outcome.h"

namespace trainyard::judging {
namespace {

using worker::Context;
using worker::DescribeArtifact;
using worker::Finished;
using worker::MakeMetric;

// Images that cannot be read and are told one by one.
constexpr int kSkippedTold = 20;

std::function<void(const absl::Status&)> WarnOfSkipped(Context& context) {
  return [&context, count = 0](const absl::Status& status) mutable {
    if (++count <= kSkippedTold) context.Warn(status);
  };
}

ProgressFunction ImagesDone(Context& context, const char* message) {
  return [&context, message](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", message);
  };
}

int ThreadsOf(const Context& context) { return std::max(1, context.job.threads()); }

// Where loading and computing take turns, each has all threads; else one feeds the network.
int LoaderThreadsOf(const Context& context, const Detector& detector) {
  return std::max(1, ThreadsOf(context) - (detector.shares_cores ? 0 : 1));
}

// A model keeps its input and its anchors, whatever the spec says.
void TellDifferences(Context& context, const Network& network, const ModelRecord& record,
                     Finished& finished) {
  const absl::StatusOr<ModelRecord> spec = network.Record();
  if (!spec.ok()) return;
  for (const std::string& field : OverriddenFields(*spec, record, /*trains=*/false)) {
    const std::string text = absl::StrCat(
        "the model is judged as it is, so that a field of the spec has no effect: ", field);
    context.Warn(absl::FailedPreconditionError(text));
    finished.add_notes(text);
  }
}

absl::StatusOr<OpenedSources> OpenData(const Context& context, const Network& network,
                                       const ModelRecord& record) {
  TrainingPlan plan = network.training_plan();
  plan.input = {record.preprocess().width(), record.preprocess().height()};
  TY_ASSIGN_OR_RETURN(std::optional<OpenedSources> data,
                      OpenValidationData(plan, ClassesOf(record), context.job.evaluate().strict(),
                                         ThreadsOf(context)));
  if (!data) {
    return absl::InvalidArgumentError(
        "the spec has neither validation_data_sources nor validation_fold; there is nothing to "
        "evaluate on");
  }
  return *std::move(data);
}

absl::StatusOr<EvaluationPlan> PlanFor(const Context& context, const Network& network,
                                       int max_batch_size, Finished& finished) {
  EvaluationPlan plan = network.evaluation_plan();
  TY_ASSIGN_OR_RETURN(plan.matching, MatchingFromName(context.job.evaluate().matching()));
  if (plan.batch_size > max_batch_size) {
    finished.add_notes(absl::StrCat("batches of ", plan.batch_size, " images became ",
                                    max_batch_size, ", the engine's largest"));
    plan.batch_size = max_batch_size;
  }
  return plan;
}

void AddCounts(int64_t images, int64_t skipped, Finished& finished) {
  const auto add = [&finished](absl::string_view name, int64_t count) {
    *finished.add_metrics() = MakeMetric(name, static_cast<double>(count), "images");
  };
  add("images", images);
  add("images_skipped", skipped);
}

// Classes whose names label files cannot hold as they are.
void NoteNames(const ModelRecord& record, Finished& finished) {
  for (const std::string& name : record.classes()) {
    const std::string written = LabelName(name);
    if (written == name) continue;
    finished.add_notes(absl::StrCat("class '", name, "' is written as '", written,
                                    "' in the label files, where blanks separate columns"));
  }
}

absl::Status AddFolder(const char* name, const std::string& path, Finished& finished) {
  if (path.empty()) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(), DescribeArtifact(name, path, "folder"));
  return absl::OkStatus();
}

}  // namespace

absl::Status Evaluate(Context& context, const Network& network, const Detector& detector,
                      Finished& finished) {
  const auto& task = context.job.evaluate();
  TY_ASSIGN_OR_RETURN(const OpenedSources data, OpenData(context, network, detector.record));
  for (const std::string& note : DescribeSources("validation data", data)) finished.add_notes(note);
  for (const std::string& warning : WarningsOf("validation data", data)) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
  TellDifferences(context, network, detector.record, finished);
  TY_ASSIGN_OR_RETURN(const EvaluationPlan plan,
                      PlanFor(context, network, detector.max_batch_size, finished));
  EvaluationOptions options{.loader_threads = LoaderThreadsOf(context, detector),
                            .runs_ahead = !detector.shares_cores,
                            .measures_latency = !detector.warm_ms_per_image,
                            .stop = context.stop,
                            .progress = ImagesDone(context, "evaluating")};
  if (!task.strict()) options.skipped = WarnOfSkipped(context);
  TY_ASSIGN_OR_RETURN(EvaluationResult result,
                      trainyard::Evaluate(detector.runner, detector.record, detector.decoder,
                                          *data.source, plan, options));
  // Most of those that cannot be read were found when the data were opened.
  result.images_skipped += data.ledger.RefusedImages();
  if (detector.warm_ms_per_image) {
    context.Progress(0, 0, "", "measuring speed");
    context.Flush();
    result.latency = {.batch_size = 1, .runs = 1};
    TY_ASSIGN_OR_RETURN(result.latency.ms_per_image, detector.warm_ms_per_image());
  }
  LogInfo("evaluation", {{"table", ResultsTable(result)}});
  for (v1::Metric& metric : result.Metrics()) *finished.add_metrics() = std::move(metric);
  AddCounts(result.images, result.images_skipped, finished);
  if (task.results_dir().empty()) return absl::OkStatus();
  TY_RETURN_IF_ERROR(WriteResults(task.results_dir(), result, plan.pr_curve, absl::Now()));
  TY_ASSIGN_OR_RETURN(
      *finished.add_outputs(),
      DescribeArtifact("results", JoinPath(task.results_dir(), "results.json"), "log"));
  return absl::OkStatus();
}

absl::Status Infer(Context& context, int batch_size, const Detector& detector, Finished& finished) {
  const auto& task = context.job.infer();
  std::vector<std::string> left_out;
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> images, ListImages(task.images(), &left_out));
  InferenceOptions options{.batch_size = std::clamp(batch_size, 1, detector.max_batch_size),
                           .loader_threads = LoaderThreadsOf(context, detector),
                           .runs_ahead = !detector.shares_cores,
                           .measures_latency = true,
                           .annotated_dir = task.annotated_dir(),
                           .labels_dir = task.labels_dir(),
                           .stop = context.stop,
                           .progress = ImagesDone(context, "finding objects")};
  const auto warn = WarnOfSkipped(context);
  std::string example;
  options.skipped = [&](const absl::Status& status) {
    if (example.empty()) example = std::string(status.message());
    warn(status);
  };
  if (task.threshold() > 0) options.threshold = task.threshold();
  TY_ASSIGN_OR_RETURN(
      const InferenceResult result,
      trainyard::Infer(detector.runner, detector.record, detector.decoder, images, options));
  finished.add_notes(absl::StrCat(result.detections, " objects in ", result.images, " images"));
  if (result.images_skipped > 0) {
    finished.add_notes(absl::StrCat(result.images_skipped, " of ", images.size(),
                                    " images cannot be read and have no result (", example, ")"));
  }
  for (const std::string& note : left_out) finished.add_notes(note);
  for (const std::string& note : result.findings.Describe()) finished.add_notes(note);
  if (!task.labels_dir().empty()) NoteNames(detector.record, finished);
  for (v1::Metric& metric : result.Metrics()) *finished.add_metrics() = std::move(metric);
  AddCounts(result.images, result.images_skipped, finished);
  TY_RETURN_IF_ERROR(AddFolder("images", task.annotated_dir(), finished));
  return AddFolder("labels", task.labels_dir(), finished);
}

}  // namespace trainyard::judging
