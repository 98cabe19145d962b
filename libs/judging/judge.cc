#include "libs/judging/judge.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/data/prepared_source.h"
#include "libs/networks/registry.h"
#include "libs/tasks/evaluate.h"
#include "libs/tasks/infer.h"
#include "libs/tasks/results.h"
#include "libs/tasks/speed.h"
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

tasks::ProgressFunction ImagesDone(Context& context, const char* message) {
  return [&context, message](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", message);
  };
}

int ThreadsOf(const Context& context) { return std::max(1, context.job.threads()); }

// Where loading and computing take turns, each has all threads; else one feeds the network.
int LoaderThreadsOf(const Context& context, const RunningModel& model) {
  return std::max(1, ThreadsOf(context) - (model.shares_cores ? 0 : 1));
}

// A model keeps its input and its head, whatever the spec says.
void TellDifferences(Context& context, const networks::Network& network, const ModelRecord& record,
                     Finished& finished) {
  const absl::StatusOr<ModelRecord> spec = network.Record();
  if (!spec.ok()) return;
  for (const std::string& field : networks::OverriddenFields(*spec, record, /*trains=*/false)) {
    const std::string text = absl::StrCat(
        "the model is judged as it is, so that a field of the spec has no effect: ", field);
    context.Warn(absl::FailedPreconditionError(text));
    finished.add_notes(text);
  }
}

absl::StatusOr<data::OpenedData> OpenData(const Context& context, const networks::Network& network,
                                          const ModelRecord& record) {
  TY_ASSIGN_OR_RETURN(std::optional<data::OpenedData> data,
                      network.OpenData(data::DataUse::kEvaluation, record,
                                       context.job.evaluate().strict(), ThreadsOf(context)));
  if (!data) {
    return absl::InvalidArgumentError(absl::StrCat("the spec has ",
                                                   networks::FieldsOf(network.name()).no_validation,
                                                   "; there is nothing to evaluate on"));
  }
  return *std::move(data);
}

// An explanation goes into the results folder: without one nobody would see it.
tasks::EvaluationChoices ChoicesOf(const Context& context, const data::OpenedData& data) {
  const auto& task = context.job.evaluate();
  tasks::EvaluationChoices choices{.matching = task.matching()};
  if (task.results_dir().empty()) return choices;
  choices.explanation = tasks::ExplanationOptions{
      .threads = ThreadsOf(context),
      .read = [source = data.source](int64_t index) { return source->Get(index); }};
  return choices;
}

// A batch of `wanted` images, or of as many as the model takes.
int BatchSizeFor(int wanted, const RunningModel& model, Finished& finished) {
  if (wanted <= model.max_batch_size) return wanted;
  finished.add_notes(absl::StrCat("batches of ", wanted, " images became ", model.max_batch_size,
                                  ", the engine's largest"));
  return model.max_batch_size;
}

void AddMetrics(std::vector<v1::Metric> metrics, Finished& finished) {
  for (v1::Metric& metric : metrics) *finished.add_metrics() = std::move(metric);
}

void AddCounts(int64_t images, int64_t skipped, Finished& finished) {
  const auto add = [&finished](absl::string_view name, int64_t count) {
    *finished.add_metrics() = MakeMetric(name, static_cast<double>(count), "images");
  };
  add("images", images);
  add("images_skipped", skipped);
}

}  // namespace

absl::Status Evaluate(Context& context, const networks::Network& network, const RunningModel& model,
                      Finished& finished) {
  const auto& task = context.job.evaluate();
  TY_ASSIGN_OR_RETURN(const data::OpenedData data, OpenData(context, network, model.record));
  TY_ASSIGN_OR_RETURN(auto samples, data::PreprocessOnly(data.source, model.record.preprocess()));
  for (const std::string& note : data.notes) finished.add_notes(note);
  for (const std::string& warning : data.warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
  TellDifferences(context, network, model.record, finished);
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<tasks::Evaluator> evaluator,
                      network.MakeEvaluator(model.head, model.record, ChoicesOf(context, data)));
  tasks::RunOptions options{
      .batch_size = BatchSizeFor(network.evaluation_batch_size(), model, finished),
      .loader_threads = LoaderThreadsOf(context, model),
      .runs_ahead = !model.shares_cores,
      .measures_latency = !model.warm_ms_per_image,
      .stop = context.stop,
      .progress = ImagesDone(context, "evaluating")};
  if (!task.strict()) options.skipped = WarnOfSkipped(context);
  TY_ASSIGN_OR_RETURN(tasks::EvaluationResult result,
                      tasks::Evaluate(model.runner, *evaluator, std::move(samples), options));
  // Most of those that cannot be read were found when the data were opened.
  result.run.images_skipped += data.ledger.RefusedImages();
  if (model.warm_ms_per_image) {
    context.Progress(0, 0, "", "measuring speed");
    context.Flush();
    result.run.latency = {.batch_size = 1, .runs = 1};
    TY_ASSIGN_OR_RETURN(result.run.latency.ms_per_image, model.warm_ms_per_image());
  }
  LogInfo("evaluation", {{"table", result.evaluation->Table(3)}});
  AddMetrics(result.Metrics(), finished);
  AddCounts(result.run.images, result.run.images_skipped, finished);
  if (task.results_dir().empty()) return absl::OkStatus();
  TY_RETURN_IF_ERROR(tasks::WriteResults(task.results_dir(), result, absl::Now()));
  TY_ASSIGN_OR_RETURN(
      *finished.add_outputs(),
      DescribeArtifact("results", JoinPath(task.results_dir(), "results.json"), "log"));
  return absl::OkStatus();
}

absl::Status Infer(Context& context, int batch_size, const RunningModel& model,
                   Finished& finished) {
  const auto& job = context.job.infer();
  TY_ASSIGN_OR_RETURN(const tasks::Task* task, networks::TaskOf(model.record));
  tasks::PredictionOptions outputs{.annotated_dir = job.annotated_dir(),
                                   .labels_dir = job.labels_dir()};
  if (job.threshold() > 0) outputs.threshold = job.threshold();
  TY_ASSIGN_OR_RETURN(const auto writer, task->MakeWriter(model.head, model.record, outputs));
  std::vector<std::string> left_out;
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> images,
                      networks::ListImagesFor(model.record, job.images(), &left_out));
  tasks::RunOptions options{.batch_size = std::clamp(batch_size, 1, model.max_batch_size),
                            .loader_threads = LoaderThreadsOf(context, model),
                            .runs_ahead = !model.shares_cores,
                            .measures_latency = true,
                            .stop = context.stop,
                            .progress = ImagesDone(context, task->predicting())};
  const auto warn = WarnOfSkipped(context);
  std::string example;
  options.skipped = [&](const absl::Status& status) {
    if (example.empty()) example = std::string(status.message());
    warn(status);
  };
  TY_ASSIGN_OR_RETURN(
      const tasks::InferenceResult result,
      tasks::Infer(model.runner, model.record.preprocess(), *writer, images, options));
  finished.add_notes(writer->Summary());
  if (result.run.images_skipped > 0) {
    finished.add_notes(absl::StrCat(result.run.images_skipped, " of ", images.size(),
                                    " images cannot be read and have no result (", example, ")"));
  }
  for (const std::string& note : left_out) finished.add_notes(note);
  for (const std::string& note : result.findings.Describe()) finished.add_notes(note);
  std::vector<v1::Metric> speed;
  tasks::AddSpeedMetrics(result.run, speed);
  AddMetrics(std::move(speed), finished);
  AddCounts(result.run.images, result.run.images_skipped, finished);
  for (const auto& [name, path] : writer->Folders()) {
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(), DescribeArtifact(name, path, "folder"));
  }
  return absl::OkStatus();
}

}  // namespace trainyard::judging
