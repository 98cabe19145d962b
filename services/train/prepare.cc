#include "services/train/prepare.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

constexpr absl::string_view kWorker = "trainyard-train-worker";

// decisions.md A18: the request's model, then the spec's; two that differ are an error.
std::string InitialModel(StageRequest& request, const std::string& given,
                         const std::string& in_spec) {
  if (given.empty() || in_spec.empty() || given == in_spec) return given.empty() ? in_spec : given;
  request.Add("stage.inputs[model]",
              absl::InvalidArgumentError(absl::StrCat(
                  "is '", given, "', but the spec starts from '", in_spec, "'; name one of them")));
  return given;
}

void CheckInitialModelExists(StageRequest& request, const std::string& path) {
  if (path.empty() || FileExists(path)) return;
  request.Add("training_config",
              absl::NotFoundError(absl::StrCat("starts from '", path, "', which is not there")));
}

void CheckModelKind(StageRequest& request, const std::string& path) {
  if (path.empty() || absl::EndsWith(path, ".tlt") || absl::EndsWith(path, ".etlt")) return;
  request.Add("stage.inputs[model]",
              absl::InvalidArgumentError(absl::StrCat(
                  "is '", path, "'; expected a .tlt or .etlt (engines run in convert-engine)")));
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareTrain(const v1::TrainRequest& proto,
                                               const service::Workspace& workspace) {
  const v1::TrainOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  PreparedSpec spec = request.Spec(NetworkTask::kTrain);
  const std::string given_model = request.Input("model", StageRequest::kOptional);
  const std::string results = request.Output("results", StageRequest::kRequired);
  request.NoOtherNames();
  const std::string device =
      request.OneOf("options.device", options.device(), {"auto", "cpu", "cuda"});
  const int initial_epoch = options.has_initial_epoch() ? options.initial_epoch() : 1;
  request.InRange("options.initial_epoch", initial_epoch, 1, 1e6);
  request.InRange("options.gpu_index", options.gpu_index(), 0, 1023);
  if (options.has_gpus() && options.gpus() != 1) {
    request.NotOffered("options.gpus", "is not 1; training on several GPUs is not offered yet");
  }
  if (initial_epoch > 1 && given_model.empty() && !options.resume()) {
    request.Add("options.initial_epoch",
                absl::InvalidArgumentError(absl::StrCat(
                    "is ", initial_epoch, " but no input 'model' is given to resume")));
  }
  const std::string model = InitialModel(request, given_model, spec.initial_model);
  CheckInitialModelExists(request, model);
  TY_RETURN_IF_ERROR(request.Status());
  if (spec.freezes_blocks && model.empty() && !options.resume()) {
    // decisions.md A24: done as asked, and said.
    spec.warnings.push_back(
        "freeze_blocks is set and no model is given to start from: random weights are frozen");
  }

  worker::v1::WorkerJob job;
  job.set_network(proto.stage().network());
  job.set_spec(spec.canonical_text);
  worker::v1::TrainTask& task = *job.mutable_train();
  task.set_results_dir(results);
  task.set_initial_epoch(initial_epoch);
  if (options.resume()) {
    // The worker takes the newest checkpoint of the folder; without one it begins as usual.
    task.set_resume_model(results);
    task.set_initial_model(model);
  } else if (initial_epoch > 1) {
    task.set_resume_model(model);
  } else {
    task.set_initial_model(model);
  }
  task.set_device(device);
  task.set_device_index(options.gpu_index());
  task.set_use_amp(options.use_amp());
  task.set_deterministic(options.deterministic());
  task.set_strict(options.strict());
  return WorkerStage(std::string(kWorker), std::move(job), JoinPath(results, ".trainyard"),
                     spec.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareEvaluate(const v1::EvaluateRequest& proto,
                                                  const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  const PreparedSpec spec = request.Spec(NetworkTask::kEvaluate);
  const std::string model = request.Input("model", StageRequest::kRequired);
  const std::string results = request.Output("results", StageRequest::kOptional);
  request.NoOtherNames();
  CheckModelKind(request, model);
  const std::string matching =
      request.OneOf("options.matching", proto.options().matching(), {"tao", "voc", "coco"});
  const std::string device =
      request.OneOf("options.device", proto.options().device(), {"auto", "cpu", "cuda"});
  TY_RETURN_IF_ERROR(request.Status());

  worker::v1::WorkerJob job;
  job.set_network(proto.stage().network());
  job.set_spec(spec.canonical_text);
  worker::v1::EvaluateTask& task = *job.mutable_evaluate();
  task.set_model(model);
  task.set_results_dir(results);
  task.set_matching(matching);
  task.set_device(device);
  task.set_strict(proto.options().strict());
  return WorkerStage(std::string(kWorker), std::move(job), "", spec.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareInfer(const v1::InferRequest& proto,
                                               const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  const PreparedSpec spec = request.Spec(NetworkTask::kInference);
  const std::string model = request.Input("model", StageRequest::kRequired);
  const std::string images = request.Input("images", StageRequest::kRequired);
  const std::string annotated = request.Output("images", StageRequest::kOptional);
  const std::string labels = request.Output("labels", StageRequest::kOptional);
  request.NoOtherNames();
  CheckModelKind(request, model);
  const double threshold = proto.options().has_threshold() ? proto.options().threshold() : 0.3;
  request.InRange("options.threshold", threshold, 1e-6, 1 - 1e-6);
  const std::string device =
      request.OneOf("options.device", proto.options().device(), {"auto", "cpu", "cuda"});
  TY_RETURN_IF_ERROR(request.Status());

  worker::v1::WorkerJob job;
  job.set_network(proto.stage().network());
  job.set_spec(spec.canonical_text);
  worker::v1::InferTask& task = *job.mutable_infer();
  task.set_model(model);
  task.set_images(images);
  task.set_annotated_dir(annotated);
  task.set_labels_dir(labels);
  task.set_threshold(threshold);
  task.set_device(device);
  return WorkerStage(std::string(kWorker), std::move(job), "", spec.warnings, workspace);
}

}  // namespace trainyard
