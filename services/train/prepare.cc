#include "services/train/prepare.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "services/stage_request/judging.h"
#include "services/stage_request/stage_request.h"

namespace trainyard::services {
namespace {

// What a training begins with: at most one is set, but a fallback beside a folder to resume.
struct Beginning {
  std::string initial, resume, resume_fallback;
};

// Two names for where to begin are an error unless they agree.
void CheckAgrees(StageRequest& request, const std::string& given, const std::string& in_spec,
                 absl::string_view what) {
  if (given.empty() || in_spec.empty() || IsSamePath(given, in_spec)) return;
  request.Add("stage.inputs[model]",
              absl::InvalidArgumentError(absl::StrCat("is '", given, "', but the spec ", what, " '",
                                                      in_spec, "'; name one of them")));
}

void CheckIsThere(StageRequest& request, absl::string_view field, const std::string& path) {
  if (path.empty() || FileExists(path)) return;
  request.Add(field, absl::NotFoundError(absl::StrCat("is '", path, "', which is not there")));
}

// The request's model wins over the spec's, since two that differ are refused. It is resumed when
// the spec names it as resume_model_path or the first epoch is not the first; else it is a start.
Beginning DecideBeginning(StageRequest& request, const v1::TrainOptions& options,
                          const std::string& given, const networks::PreparedSpec& spec,
                          const std::string& results) {
  CheckAgrees(request, given, spec.initial_model, absl::StrCat("starts from ", spec.model_field));
  CheckAgrees(request, given, spec.resume_model, absl::StrCat("resumes ", spec.model_field));
  CheckIsThere(request, spec.model_field, spec.initial_model);
  CheckIsThere(request, spec.model_field, spec.resume_model);
  const std::string& model = given.empty() ? spec.initial_model : given;
  const bool resumes =
      !spec.resume_model.empty() || (options.has_initial_epoch() && options.initial_epoch() > 1);
  const std::string& resume = spec.resume_model.empty() ? model : spec.resume_model;
  if (options.resume()) {
    // The worker takes the newest checkpoint of the folder; without one it begins as usual.
    return {.initial = resumes ? "" : model,
            .resume = results,
            .resume_fallback = resumes ? resume : ""};
  }
  return resumes ? Beginning{.resume = resume} : Beginning{.initial = model};
}

// A file of weights of another framework, whatever its name, is the worker's to read (libs/weights).
bool MayBeWeights(const std::string& path) {
  return !absl::EndsWith(path, ".tlt") && !sealing::PeekSealed(path).ok();
}

// The models that a training begins with; one that is not there is a problem already.
void CheckModels(StageRequest& request, const std::string& given,
                 const networks::PreparedSpec& spec, const Beginning& begins) {
  const auto check = [&](absl::string_view field, const std::string& path) {
    const bool starts = IsSamePath(path, begins.initial);
    if (path.empty() || (starts && MayBeWeights(path)) || !FileExists(path)) return;
    request.ModelFile(field, path, {sealing::SealedKind::kCheckpoint});
  };
  check("stage.inputs[model]", given);
  check(spec.model_field, spec.initial_model);
  check(spec.model_field, spec.resume_model);
}

template <typename Request>
void CheckModelKind(StageRequest& request, const Request& proto, const std::string& field,
                    const std::string& path) {
  request.Ending(field, path, {".tlt", ".etlt"}, "engines run in convert-engine");
  if (!proto.validate_only()) return;
  request.ModelFile(field, path, {sealing::SealedKind::kCheckpoint, sealing::SealedKind::kExport});
}

// Where the network runs; the same fields of each kind of options and of tasks.
template <typename Options, typename Task>
void AskDevice(StageRequest& request, const Options& options, Task& task) {
  task.set_device(request.OneOf("options.device", options.device(), {"auto", "cpu", "cuda"}));
  request.InRange("options.gpu_index", options.gpu_index(), 0, 1023);
  task.set_device_index(options.gpu_index());
}

}  // namespace

absl::StatusOr<worker::v1::WorkerJob> TrainJob(const v1::TrainRequest& proto,
                                               const service::Workspace& workspace,
                                               std::vector<std::string>& warnings) {
  const v1::TrainOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  const networks::PreparedSpec spec = request.Spec(spec::SpecUse::kTrain);
  const std::string given_model = request.Input("model", StageRequest::kOptional);
  const std::string results = request.OutputFolder("results", StageRequest::kRequired);
  request.NoOtherNames();
  request.KeepApart(spec.data);
  worker::v1::WorkerJob job;
  worker::v1::TrainTask& task = *job.mutable_train();
  AskDevice(request, options, task);
  const int initial_epoch = options.has_initial_epoch() ? options.initial_epoch() : 1;
  request.InRange("options.initial_epoch", initial_epoch, 1, 1e6);
  if (options.has_gpus() && options.gpus() != 1) {
    request.NotOffered("options.gpus", "is not 1; training on several GPUs is not offered yet");
  }
  if (initial_epoch > 1 && given_model.empty() && spec.resume_model.empty() && !options.resume()) {
    request.Add("options.initial_epoch",
                absl::InvalidArgumentError(absl::StrCat(
                    "is ", initial_epoch, " but no input 'model' is given to resume")));
  }
  const Beginning begins = DecideBeginning(request, options, given_model, spec, results);
  if (proto.validate_only()) CheckModels(request, given_model, spec, begins);
  TY_RETURN_IF_ERROR(request.Status());
  warnings.insert(warnings.end(), spec.warnings.begin(), spec.warnings.end());
  if (spec.freezes_blocks && begins.initial.empty() && begins.resume.empty()) {
    // Done as asked, and said.
    warnings.push_back(
        "freeze_blocks is set and no model is given to start from: random weights are frozen");
  }

  job.set_network(proto.stage().network());
  job.set_spec(spec.canonical_text);
  task.set_results_dir(results);
  task.set_initial_epoch(initial_epoch);
  task.set_initial_model(begins.initial);
  task.set_resume_model(begins.resume);
  task.set_resume_fallback(begins.resume_fallback);
  task.set_use_amp(options.use_amp());
  task.set_deterministic(options.deterministic());
  task.set_strict(options.strict());
  task.set_accept_few_weights(options.accept_few_weights());
  return job;
}

absl::StatusOr<service::StageRun> PrepareTrain(const v1::TrainRequest& proto,
                                               const service::Workspace& workspace) {
  std::vector<std::string> warnings;
  TY_ASSIGN_OR_RETURN(worker::v1::WorkerJob job, TrainJob(proto, workspace, warnings));
  const std::string job_dir = JoinPath(job.train().results_dir(), ".trainyard");
  return WorkerStage(kTrainWorker, std::move(job), job_dir, warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareEvaluate(const v1::EvaluateRequest& proto,
                                                  const service::Workspace& workspace) {
  const v1::EvaluateOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  Judging judging = AskEvaluation(request, options.matching(), options.strict());
  CheckModelKind(request, proto, judging.model_field, judging.job.evaluate().model());
  AskDevice(request, options, *judging.job.mutable_evaluate());
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kTrainWorker, std::move(judging.job), "", judging.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareInfer(const v1::InferRequest& proto,
                                               const service::Workspace& workspace) {
  const v1::InferOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  Judging judging =
      AskInference(request, options.has_threshold() ? std::optional(options.threshold())
                                                    : std::nullopt);
  CheckModelKind(request, proto, judging.model_field, judging.job.infer().model());
  AskDevice(request, options, *judging.job.mutable_infer());
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kTrainWorker, std::move(judging.job), "", judging.warnings, workspace);
}

}  // namespace trainyard::services
