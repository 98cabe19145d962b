#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/sources.h"
#include "libs/detection/evaluator.h"
#include "libs/detection/results.h"
#include "libs/engine/engine.h"
#include "workers/engine-worker/artifacts.h"
#include "workers/engine-worker/tasks.h"

namespace trainyard::engine_worker {
namespace {

using worker::Context;
using worker::Finished;

/// An engine with what turns its outputs into boxes.
struct Detector {
  LoadedEngine engine;
  std::unique_ptr<Decoder> decoder;
};

int ThreadsOf(const Context& context) { return std::max(1, context.job.threads()); }
/// They decode the next batches while the network works.
int LoaderThreadsOf(const Context& context) { return std::max(1, context.job.threads() / 2); }

/// A warning for each image that cannot be read; the first few in words.
constexpr int kSkippedTold = 20;
std::function<void(const absl::Status&)> WarnOfSkipped(Context& context) {
  return [&context, count = 0](const absl::Status& status) mutable {
    if (++count <= kSkippedTold) context.Warn(status);
  };
}

ProgressFunction ImagesDone(Context& context, absl::string_view what) {
  return [&context, what](int64_t done, int64_t total) {
    context.Progress(done, total, "images", what);
  };
}

/// The spec's NMS settings, when there is a spec, win over those that the engine was built with.
absl::StatusOr<Detector> OpenDetector(Context& context, const std::string& path,
                                      const Network* network) {
  TY_ASSIGN_OR_RETURN(LoadedEngine engine, LoadEngine(path, ThreadsOf(context)));
  TY_RETURN_IF_ERROR(ReportStarted(context));
  if (network != nullptr) network->ApplyInferenceSettings(engine.record);
  TY_ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, CreateDecoder(engine.record));
  return Detector{std::move(engine), std::move(decoder)};
}

absl::StatusOr<OpenedSources> OpenValidationData(const Context& context, const Network& network,
                                                 const ModelRecord& record) {
  const TrainingPlan plan = network.training_plan();
  std::vector<DataSource> sources = plan.validation_sources;
  if (sources.empty() && plan.validation_fold >= 0) {
    for (const DataSource& source : plan.data_sources) {
      if (!source.tfrecords.empty()) sources.push_back(source);
    }
  }
  if (sources.empty()) {
    return absl::InvalidArgumentError(
        "the spec has neither validation_data_sources nor validation_fold; there is nothing to "
        "evaluate on");
  }
  SourceOptions options;
  options.class_mapping = plan.class_mapping;
  options.strict = context.job.evaluate().strict();
  options.use = ShardUse::kValidation;
  options.validation_fold = plan.validation_fold;
  options.threads = ThreadsOf(context);
  TY_ASSIGN_OR_RETURN(OpenedSources opened, OpenSources(sources, options));
  const std::vector<std::string> classes(record.classes().begin(), record.classes().end());
  if (opened.classes != classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the validation data has the classes ", absl::StrJoin(opened.classes, ", "),
                     "; the engine knows ", absl::StrJoin(classes, ", ")));
  }
  return opened;
}

absl::StatusOr<EvaluationPlan> PlanFor(const Context& context, const Network& network,
                                       const EngineRunner& runner, Finished& finished) {
  EvaluationPlan plan = network.evaluation_plan();
  TY_ASSIGN_OR_RETURN(plan.matching, MatchingFromName(context.job.evaluate().matching()));
  if (plan.batch_size > runner.max_batch_size()) {
    finished.add_notes(absl::StrCat("batches of ", plan.batch_size, " images became ",
                                    runner.max_batch_size(), ", the engine's largest"));
    plan.batch_size = runner.max_batch_size();
  }
  return plan;
}

}  // namespace

absl::StatusOr<Finished> EvaluateEngine(Context& context) {
  const auto& task = context.job.evaluate();
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<Network> network,
                      CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  TY_ASSIGN_OR_RETURN(const Detector detector, OpenDetector(context, task.model(), network.get()));
  TY_ASSIGN_OR_RETURN(const OpenedSources data,
                      OpenValidationData(context, *network, detector.engine.record));
  Finished finished;
  finished.add_notes(absl::StrCat("validation data: ", data.source->size(), " images"));
  for (const std::string& note : data.notes) finished.add_notes(note);
  TY_ASSIGN_OR_RETURN(const EvaluationPlan plan,
                      PlanFor(context, *network, *detector.engine.runner, finished));
  EvaluationOptions options;
  options.loader_threads = LoaderThreadsOf(context);
  options.stop = context.stop;
  options.progress = ImagesDone(context, "evaluating");
  if (!task.strict()) options.skipped = WarnOfSkipped(context);
  TY_ASSIGN_OR_RETURN(const EvaluationResult result,
                      Evaluate(*detector.engine.runner, detector.engine.record, *detector.decoder,
                               *data.source, plan, options));
  for (v1::Metric& metric : result.Metrics()) *finished.add_metrics() = std::move(metric);
  const EngineHeader& header = detector.engine.header;
  *finished.add_metrics() = MakeMetric("parameters", header.parameters(), "", false);
  *finished.add_metrics() = MakeMetric("macs", header.macs(), "", false);
  if (!task.results_dir().empty()) {
    TY_RETURN_IF_ERROR(WriteResults(task.results_dir(), result, plan.pr_curve, absl::Now()));
    TY_ASSIGN_OR_RETURN(
        *finished.add_outputs(),
        DescribeArtifact("results", JoinPath(task.results_dir(), "results.json"), "log"));
  }
  return finished;
}

absl::StatusOr<Finished> InferWithEngine(Context& context) {
  const auto& task = context.job.infer();
  std::unique_ptr<Network> network;
  if (!context.job.spec().empty()) {
    TY_ASSIGN_OR_RETURN(network, CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  }
  TY_ASSIGN_OR_RETURN(const Detector detector, OpenDetector(context, task.model(), network.get()));
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> images, ListImages(task.images()));
  InferenceOptions options;
  if (task.threshold() > 0) options.threshold = task.threshold();
  options.batch_size = std::min(detector.engine.runner->max_batch_size(),
                                network == nullptr ? 1 : network->evaluation_plan().batch_size);
  options.loader_threads = LoaderThreadsOf(context);
  options.annotated_dir = task.annotated_dir();
  options.labels_dir = task.labels_dir();
  options.stop = context.stop;
  options.progress = ImagesDone(context, "finding objects");
  options.skipped = WarnOfSkipped(context);
  TY_ASSIGN_OR_RETURN(
      const InferenceResult result,
      Infer(*detector.engine.runner, detector.engine.record, *detector.decoder, images, options));
  Finished finished;
  finished.add_notes(absl::StrCat(result.detections, " objects in ", result.images, " images"));
  for (v1::Metric& metric : result.Metrics()) *finished.add_metrics() = std::move(metric);
  if (!task.annotated_dir().empty()) {
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                        DescribeArtifact("images", task.annotated_dir(), "folder"));
  }
  if (!task.labels_dir().empty()) {
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                        DescribeArtifact("labels", task.labels_dir(), "folder"));
  }
  return finished;
}

}  // namespace trainyard::engine_worker
