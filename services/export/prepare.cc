#include "services/export/prepare.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/fold.h"
#include "libs/models/network.h"
#include "libs/models/ssd/lower_head.h"
#include "libs/sealing/model_store.h"
#include "libs/service/worker_job.h"
#include "services/export/deepstream.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

// What an export does, all of it checked.
struct ExportPlan {
  std::string network;
  // "" = the model's own inference settings.
  PreparedSpec spec;
  std::string input, cal_images;
  std::string model, onnx, calibration, ds_config;
  std::string data_type;
  int batches = 10, batch_size = 16;
};

// A spec for other classes is another model's.
absl::Status CheckClasses(const Network& network, const model::v1::ModelRecord& record,
                          absl::string_view path) {
  const std::vector<std::string> ours = network.classes();
  const std::vector<std::string> theirs(record.classes().begin(), record.classes().end());
  if (ours.empty() || ours == theirs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the classes of '", path, "' are ",
                                                 absl::StrJoin(theirs, ", "), "; the spec maps to ",
                                                 absl::StrJoin(ours, ", ")));
}

// The checkpoint as an inference model: batch-norm folded, training's flags gone.
absl::StatusOr<Model> InferenceModel(const ExportPlan& plan, absl::string_view key) {
  TY_ASSIGN_OR_RETURN(SealedModel sealed, LoadModel(plan.input, {SealedKind::kCheckpoint}, key));
  Model model = std::move(sealed.model);
  TY_RETURN_IF_ERROR(FoldBatchNorm(model.graph));
  model.record.clear_training();
  if (!plan.spec.canonical_text.empty()) {
    TY_ASSIGN_OR_RETURN(const auto network,
                        CreateNetwork(plan.network, plan.spec.canonical_text, "spec"));
    TY_RETURN_IF_ERROR(CheckClasses(*network, model.record, plan.input));
    network->ApplyInferenceSettings(model.record);
  }
  model::v1::LineageStep& step = *model.record.add_lineage();
  step.set_stage("export");
  TY_ASSIGN_OR_RETURN(const std::string parent, FileDigest(plan.input));
  step.set_parent_sha256(parent);
  return model;
}

// A calibration table as text, and what the user should know of how it was made.
struct Calibration {
  std::string table;
  std::vector<std::string> notes;
};

// Runs the calibration in an engine worker on the export as it is so far.
absl::StatusOr<Calibration> Calibrate(service::OperationContext& context, const ExportPlan& plan,
                                      const Model& model, const service::Workspace& workspace) {
  TY_ASSIGN_OR_RETURN(const std::string scratch, context.ScratchDir());
  const std::string plain = JoinPath(scratch, "uncalibrated.etlt");
  const std::string table = JoinPath(scratch, "calibration.txt");
  TY_RETURN_IF_ERROR(SaveModel(plain, SealedKind::kExport, model, Sections(), context.key()));
  worker::v1::WorkerJob job;
  job.set_network(plan.network);
  worker::v1::CalibrateTask& task = *job.mutable_calibrate();
  task.set_model(plain);
  task.set_images(plan.cal_images);
  task.set_output(table);
  task.set_batches(plan.batches);
  task.set_batch_size(plan.batch_size);
  TY_ASSIGN_OR_RETURN(
      const v1::StageResult done,
      service::RunWorkerJob(context, job,
                            {.program = "trainyard-engine-worker", .workspace = &workspace}));
  Calibration calibration{.notes = {done.notes().begin(), done.notes().end()}};
  TY_ASSIGN_OR_RETURN(calibration.table, ReadFile(table));
  return calibration;
}

absl::Status WriteOnnx(const Model& model, const std::string& path) {
  TY_ASSIGN_OR_RETURN(const Graph lowered, LowerHead(model));
  TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
  return lowered.Save(path);
}

// Side files first, the .etlt last: when it is there, everything is.
absl::Status WriteOutputs(const ExportPlan& plan, const Model& model, const std::string& table,
                          absl::string_view key) {
  if (!plan.onnx.empty()) TY_RETURN_IF_ERROR(WriteOnnx(model, plan.onnx));
  if (!plan.calibration.empty()) {
    TY_RETURN_IF_ERROR(MakeFolders(DirName(plan.calibration)));
    TY_RETURN_IF_ERROR(WriteFileAtomically(plan.calibration, table));
  }
  if (!plan.ds_config.empty()) {
    TY_RETURN_IF_ERROR(WriteDeepStreamFiles(plan.ds_config, model.record, BaseName(plan.model)));
  }
  Sections extra;
  extra["labels"] = absl::StrCat("background\n", absl::StrJoin(model.record.classes(), "\n"), "\n");
  if (!table.empty()) extra["calibration"] = table;
  TY_RETURN_IF_ERROR(MakeFolders(DirName(plan.model)));
  return SaveModel(plan.model, SealedKind::kExport, model, extra, key);
}

absl::StatusOr<v1::StageResult> Describe(const ExportPlan& plan, const Model& model,
                                         const service::Workspace& workspace) {
  v1::StageResult result;
  const auto add = [&](absl::string_view name, const std::string& path,
                       absl::string_view kind) -> absl::Status {
    if (path.empty()) return absl::OkStatus();
    TY_ASSIGN_OR_RETURN(*result.add_outputs(), workspace.MakeArtifact(name, path, kind));
    return absl::OkStatus();
  };
  TY_RETURN_IF_ERROR(add("model", plan.model, "etlt"));
  TY_RETURN_IF_ERROR(add("onnx", plan.onnx, "onnx"));
  TY_RETURN_IF_ERROR(add("calibration", plan.calibration, "calibration"));
  TY_RETURN_IF_ERROR(add("ds_config", plan.ds_config, "folder"));
  TY_ASSIGN_OR_RETURN(const int64_t macs, model.graph.MacCount());
  *result.add_metrics() = MakeMetric("parameters", model.graph.ParameterCount());
  *result.add_metrics() = MakeMetric("macs", macs);
  *result.add_metrics() = MakeMetric("bytes", result.outputs(0).size_bytes(), "bytes");
  return result;
}

absl::StatusOr<v1::StageResult> RunExport(service::OperationContext& context,
                                          const ExportPlan& plan,
                                          const service::Workspace& workspace) {
  WarnAll(context, plan.spec.warnings);
  if (plan.data_type != "int8" && !plan.cal_images.empty()) {
    // Pipelines give all their exports the same inputs, so this is no error.
    WarnAll(context, {absl::StrCat("input 'cal_images' has no effect: data_type is ",
                                   plan.data_type, ", and only int8 is calibrated")});
  }
  context.Progress(0, 3, "steps", "folding");
  TY_ASSIGN_OR_RETURN(const Model model, InferenceModel(plan, context.key()));
  Calibration calibration;
  if (plan.data_type == "int8") {
    context.Progress(1, 3, "steps", "calibrating");
    TY_ASSIGN_OR_RETURN(calibration, Calibrate(context, plan, model, workspace));
  }
  TY_RETURN_IF_ERROR(context.CheckStop());
  context.Progress(2, 3, "steps", "writing");
  TY_RETURN_IF_ERROR(WriteOutputs(plan, model, calibration.table, context.key()));
  context.Progress(3, 3, "steps", "done");
  TY_ASSIGN_OR_RETURN(v1::StageResult result, Describe(plan, model, workspace));
  for (std::string& note : calibration.notes) result.add_notes(std::move(note));
  if (plan.data_type == "fp16") {
    result.add_notes("weights stay f32 in the export; fp16 is chosen when an engine is built (-t)");
  }
  return result;
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareExport(const v1::ExportRequest& proto,
                                                const service::Workspace& workspace,
                                                service::Occasion occasion) {
  const v1::ExportOptions& options = proto.options();
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  ExportPlan plan;
  plan.network = proto.stage().network();
  plan.spec = request.Spec(NetworkTask::kExport, StageRequest::kOptional);
  plan.input = request.Input("model", StageRequest::kRequired);
  plan.cal_images = request.Input("cal_images", StageRequest::kOptional);
  const bool replace = options.force() || occasion == service::Occasion::kTakenUp;
  plan.model = request.NewFile("model", StageRequest::kRequired, replace);
  plan.onnx = request.NewFile("onnx", StageRequest::kOptional, replace);
  plan.calibration = request.NewFile("calibration", StageRequest::kOptional, replace);
  plan.ds_config = request.OutputFolder("ds_config", StageRequest::kOptional);
  if (!plan.ds_config.empty() && !replace) {
    request.Add("stage.outputs[ds_config]", CheckDeepStreamFolder(plan.ds_config));
  }
  request.NoOtherNames();
  plan.data_type = request.Precision("options.data_type", options.data_type());
  if (options.has_batches()) plan.batches = options.batches();
  if (options.has_batch_size()) plan.batch_size = options.batch_size();
  request.InRange("options.batches", plan.batches, 1, 1e6);
  request.InRange("options.batch_size", plan.batch_size, 1, 4096);
  if (plan.data_type == "int8" && plan.cal_images.empty()) {
    // Never random data (decisions.md A17).
    request.Add("stage.inputs", absl::InvalidArgumentError(
                                    "has no 'cal_images', which data_type int8 calibrates on"));
  }
  if (!plan.calibration.empty() && plan.data_type != "int8") {
    request.Add("stage.outputs[calibration]",
                absl::InvalidArgumentError("is written with data_type int8 only"));
  }
  TY_RETURN_IF_ERROR(request.Status());
  return [plan = std::move(plan), &workspace](service::OperationContext& context) {
    return RunExport(context, plan, workspace);
  };
}

}  // namespace trainyard
