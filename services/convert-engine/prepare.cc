#include "services/convert-engine/prepare.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/engine/limits.h"
#include "libs/sealing/model_file.h"
#include "services/stage_request/judging.h"
#include "services/stage_request/stage_request.h"

namespace trainyard::services {
namespace {

// Of calibration, where a batch only bounds memory.
constexpr int kMaxBatch = 4096;

// What the model must be is held against it in the worker, which opens it.
void CheckInterface(StageRequest& request, const v1::BuildOptions& options) {
  if (!options.dims().empty() && options.dims_size() != 3) {
    request.Add("options.dims",
                absl::InvalidArgumentError(
                    absl::StrCat("is ", absl::StrJoin(options.dims(), ","), "; expected C,H,W")));
  }
}

// Pipelines give all their builds the same inputs, so these are no errors.
std::vector<std::string> UselessInputs(const worker::v1::BuildEngineTask& task) {
  std::vector<std::string> warnings;
  if (task.precision() == "int8") return warnings;
  const auto warn = [&](absl::string_view name, const std::string& path) {
    if (path.empty()) return;
    warnings.push_back(absl::StrCat("input '", name, "' has no effect: data_type is ",
                                    task.precision(), ", and only int8 is calibrated"));
  };
  warn("calibration", task.calibration());
  warn("cal_images", task.calibration_images());
  if (!task.excluded_layers().empty()) {
    warnings.push_back(absl::StrCat("excluded_layers has no effect: data_type is ",
                                    task.precision(), ", where all layers are in FP32"));
  }
  return warnings;
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareBuild(const v1::BuildRequest& proto,
                                               const service::Workspace& workspace) {
  const v1::BuildOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  request.NetworkIfNamed();
  const std::string model = request.Input("model", StageRequest::kRequired);
  const std::string calibration = request.Input("calibration", StageRequest::kOptional);
  const std::string images = request.Input("cal_images", StageRequest::kOptional);
  const std::string engine =
      request.SealedFile("engine", StageRequest::kRequired, sealing::SealedKind::kEngine);
  request.NoOtherNames();
  request.NoSpec();
  request.Ending("stage.inputs[model]", model, {".etlt"}, "export makes it from a .tlt");
  if (proto.validate_only()) {
    request.ModelFile("stage.inputs[model]", model, {sealing::SealedKind::kExport});
  }
  const std::string precision = request.Precision("options.data_type", options.data_type());
  const int batch = options.has_batch_size() ? options.batch_size() : 8;
  const int batches = options.has_batches() ? options.batches() : 10;
  const int max_batch = options.has_max_batch_size() ? options.max_batch_size() : 16;
  request.InRange("options.batch_size", batch, 1, kMaxBatch);
  request.InRange("options.batches", batches, 1, 1e6);
  request.InRange("options.max_batch_size", max_batch, 1, engine::kMaxEngineBatch);
  CheckInterface(request, options);
  TY_RETURN_IF_ERROR(request.Status());

  worker::v1::WorkerJob job;
  job.set_network(proto.stage().network());
  worker::v1::BuildEngineTask& task = *job.mutable_build_engine();
  task.set_model(model);
  task.set_engine(engine);
  task.set_precision(precision);
  task.set_max_batch_size(max_batch);
  task.set_calibration(calibration);
  task.set_calibration_images(images);
  task.set_batches(batches);
  task.set_batch_size(batch);
  for (const int dim : options.dims()) task.add_dims(dim);
  *task.mutable_excluded_layers() = options.excluded_layers();
  for (const std::string& name : options.output_names()) {
    if (!name.empty()) task.add_output_names(name);
  }
  std::vector<std::string> warnings = UselessInputs(task);
  return WorkerStage(kEngineWorker, std::move(job), "", std::move(warnings), workspace);
}

absl::StatusOr<service::StageRun> PrepareEvaluateEngine(const v1::EvaluateEngineRequest& proto,
                                                        const service::Workspace& workspace) {
  const v1::EvaluateEngineOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  const Judging judging = AskEvaluation(request, options.matching(), options.strict());
  request.Ending(judging.model_field, judging.job.evaluate().model(), {".engine"},
                 ".tlt and .etlt are judged by the train service");
  if (proto.validate_only()) {
    request.ModelFile(judging.model_field, judging.job.evaluate().model(),
                      {sealing::SealedKind::kEngine});
  }
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kEngineWorker, judging.job, "", judging.warnings, workspace);
}

absl::StatusOr<service::StageRun> PrepareInferEngine(const v1::InferEngineRequest& proto,
                                                     const service::Workspace& workspace) {
  const v1::InferEngineOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  const Judging judging =
      AskInference(request, options.has_threshold() ? std::optional(options.threshold())
                                                    : std::nullopt);
  request.Ending("stage.inputs[model]", judging.job.infer().model(), {".engine"},
                 ".tlt and .etlt run in the train service");
  if (proto.validate_only()) {
    request.ModelFile("stage.inputs[model]", judging.job.infer().model(),
                      {sealing::SealedKind::kEngine});
  }
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kEngineWorker, judging.job, "", judging.warnings, workspace);
}

}  // namespace trainyard::services
