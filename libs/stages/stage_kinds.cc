#include "libs/stages/stage_kinds.h"

#include <algorithm>
#include <utility>

#include "trainyard/v1/convert.pb.h"
#include "trainyard/v1/convert_engine.pb.h"
#include "trainyard/v1/export.pb.h"
#include "trainyard/v1/prune.pb.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::stages {
namespace {

// Adds what follows from the type of a kind's request; all have the same fields.
template <typename Request>
StageKind Asked(StageKind kind) {
  kind.request = &Request::default_instance();
  kind.options = &Request::default_instance().options();
  kind.make_request = [](const v1::StageInput& stage, const google::protobuf::Message& options,
                         const std::string& request_id,
                         bool validate_only) -> std::unique_ptr<google::protobuf::Message> {
    auto request = std::make_unique<Request>();
    *request->mutable_stage() = stage;
    request->mutable_options()->MergeFrom(options);
    request->set_request_id(request_id);
    request->set_validate_only(validate_only);
    return request;
  };
  return kind;
}

std::vector<StageKind> MakeKinds() {
  return {
      Asked<v1::AugmentRequest>({.name = "augment",
                                 .service = "convert",
                                 .implementation_version = 1,
                                 .spec = spec::SpecKind::kAugment,
                                 .needs_spec = true,
                                 .uses_key = false,
                                 .optional_inputs = {"root"},
                                 .outputs = {{"dataset", "."}},
                                 .reported_outputs = {"dataset"}}),
      Asked<v1::ConvertRequest>({.name = "convert",
                                 .service = "convert",
                                 .implementation_version = 1,
                                 .spec = spec::SpecKind::kConversion,
                                 .needs_spec = true,
                                 .uses_key = false,
                                 .optional_inputs = {"root", "class_names"},
                                 .outputs = {{"dataset", "data"}},
                                 .reported_outputs = {"dataset"}}),
      Asked<v1::TrainRequest>({.name = "train",
                               .service = "train",
                               .implementation_version = 1,
                               .spec = spec::SpecKind::kExperiment,
                               .needs_spec = true,
                               .use = spec::SpecUse::kTrain,
                               .optional_inputs = {"model"},
                               .outputs = {{"results", "."}},
                               .reported_outputs = {"best", "last", "log"}}),
      Asked<v1::EvaluateRequest>({.name = "evaluate",
                                  .service = "train",
                                  // Judging does not wait for a training to end.
                                  .lane = "evaluate",
                                  .implementation_version = 1,
                                  .spec = spec::SpecKind::kExperiment,
                                  .needs_spec = true,
                                  .required_inputs = {"model"},
                                  .outputs = {{"results", "."}},
                                  .reported_outputs = {"results"}}),
      Asked<v1::InferRequest>({.name = "infer",
                               .service = "train",
                               .lane = "evaluate",
                               .implementation_version = 1,
                               .spec = spec::SpecKind::kExperiment,
                               .needs_spec = true,
                               .use = spec::SpecUse::kInference,
                               .required_inputs = {"model", "images"},
                               .outputs = {{"images", "images"}, {"labels", "labels"}},
                               .reported_outputs = {"images", "labels"}}),
      Asked<v1::PruneRequest>({.name = "prune",
                               .service = "prune",
                               .implementation_version = 1,
                               .required_inputs = {"model"},
                               .outputs = {{"model", "model_pruned.tlt"}},
                               .reported_outputs = {"model"}}),
      Asked<v1::ExportRequest>({.name = "export",
                                .service = "export",
                                .implementation_version = 1,
                                .spec = spec::SpecKind::kExperiment,
                                .use = spec::SpecUse::kExport,
                                .required_inputs = {"model"},
                                .optional_inputs = {"cal_images"},
                                .outputs = {{"model", "model.etlt"},
                                            {"onnx", ""},
                                            {"calibration", ""},
                                            {"ds_config", ""}},
                                .reported_outputs = {"model", "onnx", "calibration", "ds_config"}}),
      Asked<v1::BuildRequest>({.name = "build",
                               .service = "convert-engine",
                               .implementation_version = 3,
                               .hardware_bound = true,
                               .required_inputs = {"model"},
                               .optional_inputs = {"calibration", "cal_images"},
                               .outputs = {{"engine", "model.engine"}},
                               .reported_outputs = {"engine", "quantization"}}),
      Asked<v1::EvaluateEngineRequest>({.name = "evaluate_engine",
                                        .service = "convert-engine",
                                        .implementation_version = 3,
                                        .spec = spec::SpecKind::kExperiment,
                                        .needs_spec = true,
                                        .hardware_bound = true,
                                        .required_inputs = {"model"},
                                        .outputs = {{"results", "."}},
                                        .reported_outputs = {"results"}}),
      Asked<v1::InferEngineRequest>({.name = "infer_engine",
                                     .service = "convert-engine",
                                     .implementation_version = 1,
                                     .spec = spec::SpecKind::kExperiment,
                                     .needs_spec = true,
                                     .use = spec::SpecUse::kInference,
                                     .hardware_bound = true,
                                     .required_inputs = {"model", "images"},
                                     .outputs = {{"images", "images"}, {"labels", "labels"}},
                                     .reported_outputs = {"images", "labels"}}),
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

const StageKind* FindStageKind(const google::protobuf::Descriptor& request) {
  for (const StageKind& kind : StageKinds()) {
    if (kind.request->GetDescriptor() == &request) return &kind;
  }
  return nullptr;
}

const std::vector<std::string>& StageServices() {
  static const auto* const services = [] {
    auto* names = new std::vector<std::string>;
    for (const StageKind& kind : StageKinds()) names->push_back(kind.service);
    names->erase(std::unique(names->begin(), names->end()), names->end());
    return names;
  }();
  return *services;
}

}  // namespace trainyard::stages
