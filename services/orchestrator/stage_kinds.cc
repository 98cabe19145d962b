#include "services/orchestrator/stage_kinds.h"

#include "trainyard/v1/convert.pb.h"
#include "trainyard/v1/convert_engine.pb.h"
#include "trainyard/v1/export.pb.h"
#include "trainyard/v1/prune.pb.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::orchestrator {
namespace {

std::vector<StageKind> MakeKinds() {
  return {
      {.name = "augment",
       .service = "convert",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .uses_key = false,
       .required_inputs = {"root"},
       .outputs = {{"dataset", "."}},
       .reported_outputs = {"dataset"},
       .options = &v1::AugmentOptions::default_instance()},
      {.name = "convert",
       .service = "convert",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .uses_key = false,
       .optional_inputs = {"root", "class_names"},
       .outputs = {{"dataset", "data"}},
       .reported_outputs = {"dataset"},
       .options = &v1::ConvertOptions::default_instance()},
      {.name = "train",
       .service = "train",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .optional_inputs = {"model"},
       .outputs = {{"results", "."}},
       .reported_outputs = {"best", "last", "log"},
       .options = &v1::TrainOptions::default_instance()},
      {.name = "evaluate",
       .service = "train",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .required_inputs = {"model"},
       .outputs = {{"results", "."}},
       .reported_outputs = {"results"},
       .options = &v1::EvaluateOptions::default_instance()},
      {.name = "infer",
       .service = "train",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .required_inputs = {"model", "images"},
       .outputs = {{"images", "images"}, {"labels", "labels"}},
       .reported_outputs = {"images", "labels"},
       .options = &v1::InferOptions::default_instance()},
      {.name = "prune",
       .service = "prune",
       .implementation_version = 1,
       .required_inputs = {"model"},
       .outputs = {{"model", "model_pruned.tlt"}},
       .reported_outputs = {"model"},
       .options = &v1::PruneOptions::default_instance()},
      {.name = "export",
       .service = "export",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = false,
       .required_inputs = {"model"},
       .optional_inputs = {"cal_images"},
       .outputs = {{"model", "model.etlt"}, {"onnx", ""}, {"calibration", ""}, {"ds_config", ""}},
       .reported_outputs = {"model", "onnx", "calibration", "ds_config"},
       .options = &v1::ExportOptions::default_instance()},
      {.name = "build",
       .service = "convert-engine",
       .implementation_version = 3,
       .hardware_bound = true,
       .required_inputs = {"model"},
       .optional_inputs = {"calibration", "cal_images"},
       .outputs = {{"engine", "model.engine"}},
       .reported_outputs = {"engine", "quantization"},
       .options = &v1::BuildOptions::default_instance()},
      {.name = "evaluate_engine",
       .service = "convert-engine",
       .implementation_version = 3,
       .takes_spec = true,
       .needs_spec = true,
       .hardware_bound = true,
       .required_inputs = {"model"},
       .outputs = {{"results", "."}},
       .reported_outputs = {"results"},
       .options = &v1::EvaluateEngineOptions::default_instance()},
      {.name = "infer_engine",
       .service = "convert-engine",
       .implementation_version = 1,
       .takes_spec = true,
       .needs_spec = true,
       .hardware_bound = true,
       .required_inputs = {"model", "images"},
       .outputs = {{"images", "images"}, {"labels", "labels"}},
       .reported_outputs = {"images", "labels"},
       .options = &v1::InferEngineOptions::default_instance()},
  };
}

}  // namespace

absl::Span<const StageKind> StageKinds() {
  static const auto* const kinds = new std::vector<StageKind>(MakeKinds());
  return *kinds;
}

std::vector<std::string> StageKindNames() {
  std::vector<std::string> names;
  for (const StageKind& kind : StageKinds()) names.push_back(kind.name);
  return names;
}

const StageKind* FindStageKind(absl::string_view name) {
  for (const StageKind& kind : StageKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

const std::vector<std::string>& StageServices() {
  static const auto* const services = new std::vector<std::string>{
      "convert", "train", "prune", "export", "convert-engine"};
  return *services;
}

}  // namespace trainyard::orchestrator
