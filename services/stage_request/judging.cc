#include "services/stage_request/judging.h"

namespace trainyard {
namespace {

Judging JudgingOn(StageRequest& request, NetworkTask task) {
  request.KnownNetwork();
  const PreparedSpec spec = request.Spec(task);
  Judging judging{.warnings = spec.warnings};
  judging.job.set_network(request.stage().network());
  judging.job.set_spec(spec.canonical_text);
  return judging;
}

}  // namespace

Judging AskEvaluation(StageRequest& request, const std::string& matching, bool strict) {
  Judging judging = JudgingOn(request, NetworkTask::kEvaluate);
  worker::v1::EvaluateTask& task = *judging.job.mutable_evaluate();
  task.set_model(request.Input("model", StageRequest::kRequired));
  task.set_results_dir(request.Output("results", StageRequest::kOptional));
  request.NoOtherNames();
  task.set_matching(request.OneOf("options.matching", matching, {"tao", "voc", "coco"}));
  task.set_strict(strict);
  return judging;
}

Judging AskInference(StageRequest& request, double threshold) {
  Judging judging = JudgingOn(request, NetworkTask::kInference);
  worker::v1::InferTask& task = *judging.job.mutable_infer();
  task.set_model(request.Input("model", StageRequest::kRequired));
  task.set_images(request.Input("images", StageRequest::kRequired));
  task.set_annotated_dir(request.Output("images", StageRequest::kOptional));
  task.set_labels_dir(request.Output("labels", StageRequest::kOptional));
  request.NoOtherNames();
  request.InRange("options.threshold", threshold, 1e-6, 1 - 1e-6);
  task.set_threshold(threshold);
  return judging;
}

}  // namespace trainyard
