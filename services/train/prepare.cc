#include "services/train/prepare.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "services/stage_request/judging.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

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
  request.Ending("stage.inputs[model]", path, {".tlt", ".etlt"}, "engines run in convert-engine");
}

// Where the network runs; the same fields of each kind of options and of tasks.
template <typename Options, typename Task>
void AskDevice(StageRequest& request, const Options& options, Task& task) {
  task.set_device(request.OneOf("options.device", options.device(), {"auto", "cpu", "cuda"}));
  request.InRange("options.gpu_index", options.gpu_index(), 0, 1023);
  task.set_device_index(options.gpu_index());
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareTrain(const v1::TrainRequest& proto,
                                               const service::Workspace& workspace) {
  const v1::TrainOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  PreparedSpec spec = request.Spec(NetworkTask::kTrain);
  const std::string given_model = request.Input("model", StageRequest::kOptional);
  const std::string results = request.OutputFolder("results", StageRequest::kRequired);
  request.NoOtherNames();
  worker::v1::WorkerJob job;
  worker::v1::TrainTask& task = *job.mutable_train();
  AskDevice(request, options, task);
  const int initial_epoch = options.has_initial_epoch() ? options.initial_epoch() : 1;
  request.InRange("options.initial_epoch", initial_epoch, 1, 1e6);
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

  job.set_network(proto.stage().network());
  job.set_spec(spec.canonical_text);
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
  task.set_use_amp(options.use_amp());
  task.set_deterministic(options.deterministic());
  task.set_strict(options.strict());
  return WorkerStage(kTrainWorker, std::move(job), JoinPath(results, ".trainyard"),
                     spec.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareEvaluate(const v1::EvaluateRequest& proto,
                                                  const service::Workspace& workspace) {
  const v1::EvaluateOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  Judging judging = AskEvaluation(request, options.matching(), options.strict());
  CheckModelKind(request, judging.job.evaluate().model());
  AskDevice(request, options, *judging.job.mutable_evaluate());
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kTrainWorker, std::move(judging.job), "", judging.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareInfer(const v1::InferRequest& proto,
                                               const service::Workspace& workspace) {
  const v1::InferOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  Judging judging =
      AskInference(request, options.has_threshold() ? options.threshold() : kDefaultThreshold);
  CheckModelKind(request, judging.job.infer().model());
  AskDevice(request, options, *judging.job.mutable_infer());
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kTrainWorker, std::move(judging.job), "", judging.warnings, workspace);
}

}  // namespace trainyard
