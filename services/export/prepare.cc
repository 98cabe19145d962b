#include "services/export/prepare.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "services/stage_request/stage_request.h"

namespace trainyard::services {
namespace {

// What an export does, all of it checked: the worker's job, and the calibration before it.
struct ExportPlan {
  worker::v1::WorkerJob job;
  // Images to calibrate on; "" = no calibration.
  std::string cal_images;
  int batches = 10, batch_size = 16;
  // Whether files that are there are replaced.
  bool replaces = false;
  std::vector<std::string> warnings;
};

// A calibration table, a file, and what the user should know of how it was made.
struct Calibration {
  std::string table;
  std::vector<std::string> notes;
};

// Runs the calibration in an engine worker, on the export without a table. That copy of the model goes
// at once; the table stays in the operation's folder.
absl::StatusOr<Calibration> Calibrate(service::OperationContext& context, const ExportPlan& plan,
                                      const service::Workspace& workspace) {
  TY_ASSIGN_OR_RETURN(const std::string scratch, context.ScratchDir());
  const std::string plain = JoinPath(scratch, "uncalibrated.etlt");
  const absl::Cleanup remove_copy = [&plain] { RemoveTree(plain).IgnoreError(); };
  worker::v1::WorkerJob fold = plan.job;
  fold.mutable_export_model()->set_uncalibrated(plain);
  TY_RETURN_IF_ERROR(RunWorker(context, kStageWorker, fold, "", workspace).status());

  context.Progress(1, 3, "steps", "calibrating");
  worker::v1::WorkerJob job;
  job.set_network(plan.job.network());
  worker::v1::CalibrateTask& task = *job.mutable_calibrate();
  task.set_model(plain);
  task.set_images(plan.cal_images);
  task.set_output(JoinPath(scratch, "calibration.txt"));
  task.set_batches(plan.batches);
  task.set_batch_size(plan.batch_size);
  TY_ASSIGN_OR_RETURN(const v1::StageResult done,
                      RunWorker(context, kEngineWorker, job, "", workspace));
  return Calibration{task.output(), {done.notes().begin(), done.notes().end()}};
}

// Another export, which waited for its turn before this one, may have made what was not there.
absl::Status CheckStillNew(const ExportPlan& plan) {
  const worker::v1::ExportTask& task = plan.job.export_model();
  for (const std::string& path : {task.output(), task.onnx()}) {
    if (plan.replaces || path.empty() || !FileExists(path)) continue;
    return absl::AlreadyExistsError(
        absl::StrCat("'", path, "' was made since this export was asked for; remove it, name another, or "
                     "set force"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::StageResult> RunExport(service::OperationContext& context, ExportPlan plan,
                                          const service::Workspace& workspace) {
  WarnAll(context, plan.warnings);
  TY_RETURN_IF_ERROR(CheckStillNew(plan));
  Calibration calibration;
  if (!plan.cal_images.empty()) {
    TY_ASSIGN_OR_RETURN(calibration, Calibrate(context, plan, workspace));
    plan.job.mutable_export_model()->set_table(calibration.table);
  }
  TY_ASSIGN_OR_RETURN(v1::StageResult result,
                      RunWorker(context, kStageWorker, plan.job, "", workspace));
  for (std::string& note : calibration.notes) result.add_notes(std::move(note));
  return result;
}

bool NamesInput(const v1::StageInput& stage, absl::string_view name) {
  return std::any_of(stage.inputs().begin(), stage.inputs().end(),
                     [name](const v1::Artifact& input) { return input.name() == name; });
}

// INT8's table comes from the file that is there already, else from images, never from random data.
// Images that are named and not there are a problem already.
void AskCalibration(StageRequest& request, const std::string& images, bool force,
                    ExportPlan& plan) {
  worker::v1::ExportTask& task = *plan.job.mutable_export_model();
  request.InRange("options.batches", plan.batches, 1, 1e6);
  request.InRange("options.batch_size", plan.batch_size, 1, 4096);
  if (task.data_type() != "int8") {
    if (!task.calibration().empty()) {
      request.Add("stage.outputs[calibration]",
                  absl::InvalidArgumentError("is written with data_type int8 only"));
    }
    if (images.empty()) return;
    // Pipelines give all their exports the same inputs, so this is no error.
    plan.warnings.push_back(absl::StrCat("input 'cal_images' has no effect: data_type is ",
                                         task.data_type(), ", and only int8 is calibrated"));
    return;
  }
  if (graph::IsOnnxName(task.output()) && task.calibration().empty()) {
    request.Add("stage.outputs[model]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is '", task.output(),
                    "', and plain ONNX has no place for int8's calibration table; name an output "
                    "'calibration' too, or an .etlt")));
  }
  const bool is_there = FileExists(task.calibration());
  if (is_there && (!force || images.empty())) {
    task.set_table(task.calibration());
    plan.warnings.push_back(absl::StrCat(
        "the calibration table '", task.calibration(), "' is there and is read",
        images.empty() ? "" : "; input 'cal_images' has no effect, unless force is set"));
  } else if (images.empty() && !NamesInput(request.stage(), "cal_images")) {
    request.Add("stage.inputs[cal_images]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is missing: data_type int8 calibrates on its images",
                    task.calibration().empty()
                        ? ""
                        : absl::StrCat(", for the calibration table '", task.calibration(),
                                       "' is not there"))));
  } else {
    plan.cal_images = images;
  }
}

// What the user may not expect: the ending alone makes plain ONNX.
void WarnOfEnding(ExportPlan& plan) {
  const worker::v1::ExportTask& task = plan.job.export_model();
  const bool is_plain = graph::IsOnnxName(task.output());
  if (is_plain) {
    plan.warnings.push_back(absl::StrCat("'", task.output(),
                                         "' is plain ONNX by its ending: it is not encrypted, and "
                                         "engines are built from an .etlt"));
  }
  if (!is_plain && !absl::EndsWith(task.output(), ".etlt")) {
    plan.warnings.push_back(
        absl::StrCat("'", task.output(), "' is an .etlt, whatever its ending"));
  }
  if (!task.ds_config().empty() && !is_plain && task.onnx().empty()) {
    plan.warnings.push_back(
        "output 'ds_config': nvinfer_config.txt names no model, for DeepStream reads plain ONNX and "
        "none is written; ask for an output 'onnx' too");
  }
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareExport(const v1::ExportRequest& proto,
                                                const service::Workspace& workspace,
                                                service::Occasion occasion) {
  const v1::ExportOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  const networks::NetworkFamily* const network = request.KnownNetwork();
  const networks::PreparedSpec spec = request.Spec(spec::SpecUse::kExport, StageRequest::kOptional);
  ExportPlan plan{.warnings = spec.warnings};
  plan.job.set_network(proto.stage().network());
  plan.job.set_spec(spec.canonical_text);
  worker::v1::ExportTask& task = *plan.job.mutable_export_model();
  task.set_model(request.Input("model", StageRequest::kRequired));
  const std::string images = request.Input("cal_images", StageRequest::kOptional);
  const bool replace = options.force() || occasion == service::Occasion::kTakenUp;
  plan.replaces = replace;
  task.set_output(request.NewFile("model", StageRequest::kRequired, replace));
  task.set_onnx(request.NewFile("onnx", StageRequest::kOptional, replace));
  task.set_calibration(request.OutputFile("calibration", StageRequest::kOptional));
  task.set_ds_config(request.OutputFolder("ds_config", StageRequest::kOptional));
  if (network != nullptr && !task.ds_config().empty() && !replace) {
    request.Add("stage.outputs[ds_config]", network->CheckDeepStreamFolder(task.ds_config()));
  }
  request.NoOtherNames();
  task.set_data_type(request.Precision("options.data_type", options.data_type()));
  if (options.has_batches()) plan.batches = options.batches();
  if (options.has_batch_size()) plan.batch_size = options.batch_size();
  AskCalibration(request, images, options.force(), plan);
  WarnOfEnding(plan);
  if (proto.validate_only()) {
    request.ModelFile("stage.inputs[model]", task.model(), {sealing::SealedKind::kCheckpoint});
  }
  TY_RETURN_IF_ERROR(request.Status());
  return [plan = std::move(plan), &workspace](service::OperationContext& context) {
    return RunExport(context, plan, workspace);
  };
}

}  // namespace trainyard::services
