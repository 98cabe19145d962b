#include "services/stage_request/judging.h"

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"

namespace trainyard::services {
namespace {

Judging JudgingOn(const StageRequest& request, const networks::PreparedSpec& spec) {
  Judging judging{.warnings = spec.warnings};
  judging.job.set_network(request.stage().network());
  judging.job.set_spec(spec.canonical_text);
  return judging;
}

// The call's model, or the one that the spec names, with what names it.
std::string ModelOf(StageRequest& request, const networks::PreparedSpec& spec, std::string& field) {
  // A spec that failed may have named one.
  const bool may_be_named = !spec.judged_model.empty() || spec.canonical_text.empty();
  const std::string given =
      request.Input("model", may_be_named ? StageRequest::kOptional : StageRequest::kRequired);
  if (!given.empty() || spec.judged_model.empty()) return given;
  field = spec.judged_field;
  if (!FileExists(spec.judged_model)) {
    request.Add(spec.judged_field, absl::NotFoundError(absl::StrCat("is '", spec.judged_model,
                                                                    "', which is not there")));
  }
  return spec.judged_model;
}

}  // namespace

Judging AskEvaluation(StageRequest& request, const std::string& matching, bool strict) {
  const networks::NetworkFamily* const network = request.KnownNetwork();
  const networks::PreparedSpec spec = request.Spec(spec::SpecUse::kEvaluate);
  Judging judging = JudgingOn(request, spec);
  worker::v1::EvaluateTask& task = *judging.job.mutable_evaluate();
  task.set_model(ModelOf(request, spec, judging.model_field));
  task.set_results_dir(request.OutputFolder("results", StageRequest::kOptional));
  request.NoOtherNames();
  // What a folder of results holds would be read as images and labels the next time.
  request.KeepApart(spec.data);
  if (network != nullptr) {
    request.Add("options", network->task().CheckChoices({.matching = matching}));
  }
  task.set_matching(matching);
  task.set_strict(strict);
  return judging;
}

Judging AskInference(StageRequest& request, std::optional<double> threshold) {
  request.KnownNetwork();
  const networks::PreparedSpec spec = request.Spec(spec::SpecUse::kInference);
  Judging judging = JudgingOn(request, spec);
  worker::v1::InferTask& task = *judging.job.mutable_infer();
  task.set_model(request.Input("model", StageRequest::kRequired));
  task.set_images(request.Input("images", StageRequest::kRequired));
  task.set_annotated_dir(request.OutputFolder("images", StageRequest::kOptional));
  task.set_labels_dir(request.OutputFolder("labels", StageRequest::kOptional));
  request.NoOtherNames();
  if (request.stage().outputs().empty()) {
    request.Add("stage.outputs", absl::InvalidArgumentError(
                                     "is empty; name 'images' or 'labels', or nothing is written"));
  }
  // What is found has the names of the images: it must not come to lie over pictures and labels.
  request.KeepApart(spec.data);
  if (FileExists(task.images()) && DirName(task.images()) == task.annotated_dir()) {
    request.Add("stage.outputs[images]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is '", task.annotated_dir(),
                    "', the folder of stage.inputs[images]; name another, or it is replaced")));
  }
  if (threshold.has_value()) {
    request.Fraction("options.threshold", *threshold);
    task.set_threshold(*threshold);
  }
  return judging;
}

}  // namespace trainyard::services
