#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/fold.h"
#include "libs/graph/weights.h"
#include "libs/networks/registry.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/calibration_table.h"
#include "libs/sealing/model_store.h"
#include "libs/worker/outcome.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::ExportTask;

constexpr int kSteps = 3;

// A spec for other classes is another model's.
absl::Status CheckClasses(const networks::Network& network, const ModelRecord& record,
                          absl::string_view path) {
  if (record.network() != network.name()) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is of network '", record.network(),
                                                   "'; the spec is for '", network.name(), "'"));
  }
  const std::vector<std::string> ours = network.classes();
  const std::vector<std::string> theirs = ClassesOf(record);
  if (ours.empty() || ours == theirs) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the classes of '", path, "' are ",
                                                 absl::StrJoin(theirs, ", "), "; the spec maps to ",
                                                 absl::StrJoin(ours, ", ")));
}

// The checkpoint as an inference model: batch-norm folded, training's flags gone.
absl::StatusOr<Model> InferenceModel(const Context& context) {
  const ExportTask& task = context.job.export_model();
  TY_ASSIGN_OR_RETURN(
      sealing::SealedModel sealed,
      sealing::LoadModel(task.model(), {sealing::SealedKind::kCheckpoint}, context.key));
  Model model = std::move(sealed.model);
  TY_RETURN_IF_ERROR(graph::FoldBatchNorm(model.graph));
  TY_RETURN_IF_ERROR(
      Annotate(graph::CheckWeights(model.graph), absl::StrCat("'", task.model(), "'")));
  model.record.clear_training();
  if (!context.job.spec().empty()) {
    TY_ASSIGN_OR_RETURN(const auto network,
                        networks::CreateNetwork(context.job.network(), context.job.spec(), "spec"));
    TY_RETURN_IF_ERROR(CheckClasses(*network, model.record, task.model()));
    network->ApplyInferenceSettings(model.record);
  }
  model::v1::LineageStep& step = *model.record.add_lineage();
  step.set_stage("export");
  TY_ASSIGN_OR_RETURN(const std::string parent, FileDigest(task.model()));
  step.set_parent_sha256(parent);
  return model;
}

// The table's text, "" without one. It is read as the builder of engines will.
absl::StatusOr<std::string> ReadTable(Context& context, const Model& model) {
  const std::string& path = context.job.export_model().table();
  if (path.empty()) return std::string();
  TY_ASSIGN_OR_RETURN(const quantization::CalibrationTable table,
                      quantization::LoadCalibrationTable(path));
  if (!table.weights_sha256.empty() &&
      table.weights_sha256 != quantization::WeightsDigest(model.graph)) {
    context.Warn(absl::FailedPreconditionError(
        absl::StrCat("the calibration table '", path,
                     "' was measured on other weights than this model's; calibrate again when the "
                     "accuracy matters")));
  }
  return quantization::PrintCalibrationTable(table);
}

absl::Status WriteOnnx(const Model& model, const std::string& path) {
  TY_ASSIGN_OR_RETURN(const graph::Graph lowered, networks::LowerHead(model));
  TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
  return lowered.Save(path);
}

absl::Status WriteDeepStream(const Model& model, const std::string& folder,
                             const std::string& onnx) {
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FamilyOf(model.record));
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  for (const auto& [name, bytes] : family->DeepStreamFiles(model.record, folder, onnx)) {
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, name), bytes));
  }
  return absl::OkStatus();
}

absl::Status WriteSealed(const ExportTask& task, const Model& model, const std::string& table,
                         absl::string_view key) {
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FamilyOf(model.record));
  sealing::Sections extra;
  extra["labels"] = family->Labels(model.record);
  if (!table.empty()) extra["calibration"] = table;
  TY_RETURN_IF_ERROR(MakeFolders(DirName(task.output())));
  return sealing::SaveModel(task.output(), sealing::SealedKind::kExport, model, extra, key);
}

// Side files first, the model last: when it is there, everything is.
absl::Status WriteOutputs(const ExportTask& task, const Model& model, const std::string& table,
                          absl::string_view key) {
  const bool is_plain = graph::IsOnnxName(task.output());
  if (!task.onnx().empty()) TY_RETURN_IF_ERROR(WriteOnnx(model, task.onnx()));
  if (!task.calibration().empty() && task.calibration() != task.table()) {
    TY_RETURN_IF_ERROR(MakeFolders(DirName(task.calibration())));
    TY_RETURN_IF_ERROR(WriteFileAtomically(task.calibration(), table));
  }
  if (!task.ds_config().empty()) {
    TY_RETURN_IF_ERROR(
        WriteDeepStream(model, task.ds_config(), is_plain ? task.output() : task.onnx()));
  }
  return is_plain ? WriteOnnx(model, task.output()) : WriteSealed(task, model, table, key);
}

absl::StatusOr<Finished> Describe(const ExportTask& task, const Model& model) {
  Finished finished;
  const auto add = [&](absl::string_view name, const std::string& path,
                       absl::string_view kind) -> absl::Status {
    if (path.empty()) return absl::OkStatus();
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(), worker::DescribeArtifact(name, path, kind));
    return absl::OkStatus();
  };
  TY_RETURN_IF_ERROR(
      add("model", task.output(), graph::IsOnnxName(task.output()) ? "onnx" : "etlt"));
  TY_RETURN_IF_ERROR(add("onnx", task.onnx(), "onnx"));
  TY_RETURN_IF_ERROR(add("calibration", task.calibration(), "calibration"));
  TY_RETURN_IF_ERROR(add("ds_config", task.ds_config(), "folder"));
  const auto measure = [&finished](absl::string_view name, int64_t value,
                                   absl::string_view unit = "") {
    *finished.add_metrics() = worker::MakeMetric(name, static_cast<double>(value), unit);
  };
  measure("parameters", model.graph.ParameterCount());
  // Absent where the graph leaves a size open.
  if (const auto macs = model.graph.MacCount(); macs.ok()) measure("macs", *macs);
  measure("bytes", finished.outputs(0).size_bytes(), "bytes");
  if (task.data_type() == "fp16") {
    finished.add_notes("weights stay f32 in the export; fp16 is chosen when an engine is built (-t)");
  }
  return finished;
}

}  // namespace

absl::StatusOr<Finished> ExportModel(Context& context) {
  const ExportTask& task = context.job.export_model();
  if (task.table().empty()) BeginStep(context, 0, kSteps, "folding");
  TY_ASSIGN_OR_RETURN(const Model model, InferenceModel(context));
  TY_RETURN_IF_ERROR(CheckStop(context));
  if (!task.uncalibrated().empty()) {
    TY_RETURN_IF_ERROR(sealing::SaveModel(task.uncalibrated(), sealing::SealedKind::kExport, model,
                                          sealing::Sections(), context.key));
    return Finished();
  }
  TY_ASSIGN_OR_RETURN(const std::string table, ReadTable(context, model));
  BeginStep(context, 2, kSteps, "writing");
  TY_RETURN_IF_ERROR(WriteOutputs(task, model, table, context.key));
  TY_ASSIGN_OR_RETURN(Finished finished, Describe(task, model));
  BeginStep(context, kSteps, kSteps, "done");
  return finished;
}

}  // namespace trainyard::stage_worker
