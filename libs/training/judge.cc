#include "libs/training/judge.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/detection/evaluator.h"
#include "libs/detection/results.h"
#include "libs/models/network.h"
#include "libs/sealing/model_store.h"
#include "libs/training/artifacts.h"
#include "libs/training/datasets.h"
#include "libs/training/device.h"
#include "libs/training/executor.h"

namespace trainyard::training {
namespace {

using worker::Context;
using worker::Finished;

// Failed images that are told one by one.
constexpr int kSkippedTold = 20;

struct Loaded {
  std::unique_ptr<Network> network;
  Model model;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<Executor> executor;
};

absl::Status CheckBelongs(const Network& network, const ModelRecord& record) {
  if (record.network() != network.name()) {
    return absl::InvalidArgumentError(absl::StrCat("is of network '", record.network(),
                                                   "'; the spec is for '", network.name(), "'"));
  }
  const std::vector<std::string> theirs(record.classes().begin(), record.classes().end());
  const std::vector<std::string> ours = network.classes();
  if (ours.empty() || ours == theirs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("has the classes ", absl::StrJoin(theirs, ", "),
                                                 "; the spec maps to ", absl::StrJoin(ours, ", ")));
}

absl::StatusOr<Loaded> Load(Context& context, const std::string& path, const std::string& device) {
  ConfigureLibTorch(context.job.threads(), /*deterministic=*/false);
  TY_ASSIGN_OR_RETURN(auto network,
                      CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  TY_ASSIGN_OR_RETURN(SealedModel sealed,
                      LoadModel(path, {SealedKind::kCheckpoint, SealedKind::kExport}, context.key));
  Loaded loaded{.network = std::move(network), .model = std::move(sealed.model)};
  TY_RETURN_IF_ERROR(
      Annotate(CheckBelongs(*loaded.network, loaded.model.record), absl::StrCat("model '", path, "'")));
  loaded.network->ApplyInferenceSettings(loaded.model.record);
  TY_ASSIGN_OR_RETURN(loaded.decoder, CreateDecoder(loaded.model.record));
  TY_ASSIGN_OR_RETURN(const at::Device where, ResolveDevice(device, 0));
  TY_ASSIGN_OR_RETURN(loaded.executor, Executor::Create(loaded.model.graph, {.device = where}));

  worker::WorkerEvent event;
  event.mutable_started()->set_pid(getpid());
  event.mutable_started()->set_device(DescribeDevice(where, context.job.threads()));
  TY_RETURN_IF_ERROR(context.journal.Append(std::move(event)));
  return loaded;
}

// A warning for each image that cannot be read, the first few in words.
class SkippedImages {
 public:
  explicit SkippedImages(Context& context) : context_(context) {}
  void operator()(const absl::Status& status) {
    if (++count_ <= kSkippedTold) context_.Warn(status);
  }

 private:
  Context& context_;
  int count_ = 0;
};

ProgressFunction ProgressOf(Context& context, const char* message) {
  return [&context, message](int64_t done, int64_t total) {
    context.Progress(static_cast<double>(done), static_cast<double>(total), "images", message);
  };
}

void AddMetrics(const std::vector<v1::Metric>& metrics, Finished& finished) {
  for (const v1::Metric& metric : metrics) *finished.add_metrics() = metric;
}

absl::Status AddFolder(const char* name, const std::string& path, Finished& finished) {
  if (path.empty()) return absl::OkStatus();
  v1::Artifact& artifact = *finished.add_outputs();
  artifact.set_name(name);
  artifact.set_uri(path);
  artifact.set_kind("folder");
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), PathDigest(path));
  TY_ASSIGN_OR_RETURN(const int64_t size, PathSize(path));
  artifact.set_size_bytes(size);
  return absl::OkStatus();
}

absl::StatusOr<Finished> EvaluateAll(Context& context) {
  const worker::v1::EvaluateTask& task = context.job.evaluate();
  TY_ASSIGN_OR_RETURN(Loaded loaded, Load(context, task.model(), task.device()));
  const std::vector<std::string> classes(loaded.model.record.classes().begin(),
                                         loaded.model.record.classes().end());
  const int threads = std::max(1, context.job.threads());
  TY_ASSIGN_OR_RETURN(
      const std::optional<OpenedSources> data,
      OpenValidationData(loaded.network->training_plan(), classes, task.strict(), threads));
  if (!data) {
    return absl::InvalidArgumentError(
        "the spec has neither validation_data_sources nor validation_fold; there is nothing to "
        "evaluate on");
  }
  EvaluationPlan plan = loaded.network->evaluation_plan();
  TY_ASSIGN_OR_RETURN(plan.matching, MatchingFromName(task.matching()));
  SkippedImages skipped(context);
  EvaluationOptions options{.loader_threads = std::max(1, threads / 2),
                            .stop = context.stop,
                            .progress = ProgressOf(context, "evaluating")};
  if (!task.strict()) options.skipped = [&skipped](const absl::Status& status) { skipped(status); };
  TY_ASSIGN_OR_RETURN(const EvaluationResult result,
                      Evaluate(*loaded.executor, loaded.model.record, *loaded.decoder,
                               *data->source, plan, options));
  LogInfo("evaluation", {{"table", ResultsTable(result)}});

  Finished finished;
  AddMetrics(result.Metrics(), finished);
  TY_RETURN_IF_ERROR(AddSizeMetrics(loaded.model.graph, finished));
  for (const std::string& note : DescribeSources("validation data", *data)) finished.add_notes(note);
  if (task.results_dir().empty()) return finished;
  TY_RETURN_IF_ERROR(WriteResults(task.results_dir(), result, plan.pr_curve, absl::Now()));
  TY_ASSIGN_OR_RETURN(
      *finished.add_outputs(),
      FileArtifact("results", JoinPath(task.results_dir(), "results.json"), "log"));
  return finished;
}

absl::StatusOr<Finished> InferAll(Context& context) {
  const worker::v1::InferTask& task = context.job.infer();
  TY_ASSIGN_OR_RETURN(Loaded loaded, Load(context, task.model(), task.device()));
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> images, ListImages(task.images()));
  SkippedImages skipped(context);
  const InferenceOptions options{
      .threshold = task.threshold() > 0 ? task.threshold() : InferenceOptions().threshold,
      .batch_size = std::max(1, loaded.network->evaluation_plan().batch_size),
      .loader_threads = std::max(1, context.job.threads() / 2),
      .annotated_dir = task.annotated_dir(),
      .labels_dir = task.labels_dir(),
      .stop = context.stop,
      .progress = ProgressOf(context, "finding objects"),
      .skipped = [&skipped](const absl::Status& status) { skipped(status); }};
  TY_ASSIGN_OR_RETURN(const InferenceResult result, Infer(*loaded.executor, loaded.model.record,
                                                          *loaded.decoder, images, options));
  Finished finished;
  AddMetrics(result.Metrics(), finished);
  TY_RETURN_IF_ERROR(AddSizeMetrics(loaded.model.graph, finished));
  finished.add_notes(absl::StrCat(result.detections, " objects in ", result.images, " images"));
  TY_RETURN_IF_ERROR(AddFolder("images", task.annotated_dir(), finished));
  TY_RETURN_IF_ERROR(AddFolder("labels", task.labels_dir(), finished));
  return finished;
}

}  // namespace

absl::StatusOr<Finished> EvaluateModel(Context& context) {
  absl::StatusOr<Finished> finished = EvaluateAll(context);
  if (!finished.ok()) NoteFailure(context.job.evaluate().results_dir(), finished.status());
  return finished;
}

absl::StatusOr<Finished> InferImages(Context& context) { return InferAll(context); }

}  // namespace trainyard::training
