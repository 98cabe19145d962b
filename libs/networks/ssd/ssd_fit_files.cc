#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/networks/fit_rules.h"
#include "libs/networks/ssd/ssd_fit.h"
#include "libs/networks/ssd/ssd_fit_rules.h"
#include "libs/spec/commented.h"

namespace trainyard::networks {
namespace {

using spec::common::v1::DataSource;
using spec::common::v1::RegularizerConfig;
using spec::common::v1::TrainingConfig;
using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;
using worker::v1::DataProfile;

constexpr const SsdFitRules& kRules = kSsdFitRules;
constexpr char kSpec[] = "specs/train.txt";

void SetPart(const DataProfile::Part& part, DataSource* source) {
  source->set_image_directory_path(part.images());
  source->set_label_directory_path(part.labels());
}

void SetNetwork(const SsdFit& fit, SSDConfig* config) {
  config->set_arch("resnet");
  config->set_nlayers(static_cast<uint32_t>(fit.depth));
  config->set_scales(ScalesText(fit.shapes));
  config->set_aspect_ratios(RatiosText(fit.shapes));
  config->set_two_boxes_for_ar1(true);
  config->set_variances("[0.1, 0.1, 0.2, 0.2]");
}

void SetTraining(const SsdFit& fit, const FitLimits& limits, TrainingConfig* config) {
  config->set_batch_size_per_gpu(static_cast<uint32_t>(fit.batch_size));
  config->set_num_epochs(static_cast<uint32_t>(fit.epochs));
  config->set_checkpoint_interval(static_cast<uint32_t>(fit.validation_period));
  auto& rate = *config->mutable_learning_rate()->mutable_soft_start_annealing_schedule();
  rate.set_max_learning_rate(static_cast<float>(fit.max_rate));
  rate.set_min_learning_rate(static_cast<float>(fit.max_rate / kRules.rate_fall));
  rate.set_soft_start(static_cast<float>(fit.soft_start));
  rate.set_annealing(static_cast<float>(kRules.annealing));
  const bool prunes = fit.retrain_epochs > 0;
  config->mutable_regularizer()->set_type(prunes ? RegularizerConfig::L1 : RegularizerConfig::L2);
  config->mutable_regularizer()->set_weight(static_cast<float>(prunes ? kRules.l1 : kRules.l2));
  if (!limits.start_model.empty()) config->set_pretrain_model_path(limits.start_model);
}

void SetEvaluation(const SsdFit& fit, EvalConfig* config) {
  config->set_validation_period_during_training(static_cast<uint32_t>(fit.validation_period));
  config->set_average_precision_mode(EvalConfig::INTEGRATE);
  config->set_batch_size(static_cast<uint32_t>(fit.batch_size));
}

void SetAugmentation(const SsdFit& fit, AugmentationConfig* config) {
  config->set_output_width(fit.width);
  config->set_output_height(fit.height);
  config->set_output_channel(3);
  config->set_random_crop_min_scale(static_cast<float>(fit.crop_min_scale));
  config->set_random_crop_max_scale(1);
  config->set_random_crop_min_ar(static_cast<float>(std::round(100 / kRules.crop_aspect) / 100));
  config->set_random_crop_max_ar(static_cast<float>(kRules.crop_aspect));
  config->set_zoom_out_min_scale(1);
  config->set_zoom_out_max_scale(static_cast<float>(fit.zoom_out_max_scale));
  config->set_brightness(kRules.brightness);
  config->set_contrast(static_cast<float>(kRules.contrast));
  config->set_saturation(static_cast<float>(fit.changes_colours ? kRules.saturation : 0));
  config->set_hue(fit.changes_colours ? kRules.hue : 0);
}

// A text in double quotes, as YAML and text format both read it.
std::string Quoted(absl::string_view text) { return JsonText(text); }

// Writes the stages of a pipeline, one after the other.
class Pipeline {
 public:
  Pipeline(const std::string& about, const std::string& name, const FitLimits& limits)
      : text_(about) {
    absl::StrAppend(&text_, "name: ", name, "\n");
    if (!limits.key.empty()) absl::StrAppend(&text_, "key: ", Quoted(limits.key), "\n");
    absl::StrAppend(&text_, "results: ", Quoted(JoinPath(limits.folder, "results")), "\n\nstages:\n");
  }

  struct Stage {
    std::string name, kind;
    bool has_spec = true;
    std::vector<std::string> overrides = {};
    /// As YAML has them.
    std::vector<std::pair<std::string, std::string>> inputs = {}, options = {};
    /// More lines.
    std::string more = "";
  };

  void Add(const Stage& stage) {
    absl::StrAppend(&text_, "  - name: ", stage.name, "\n    kind: ", stage.kind,
                    "\n    network: ssd\n");
    if (stage.has_spec) absl::StrAppend(&text_, "    spec: ", kSpec, "\n");
    if (!stage.overrides.empty()) absl::StrAppend(&text_, "    overrides:\n");
    for (const std::string& line : stage.overrides) {
      absl::StrAppend(&text_, "      - ", Quoted(line), "\n");
    }
    AddMap("inputs", stage.inputs);
    AddMap("options", stage.options);
    absl::StrAppend(&text_, stage.more, "\n");
  }

  std::string Take() { return std::move(text_); }

 private:
  void AddMap(const char* name, const std::vector<std::pair<std::string, std::string>>& members) {
    if (members.empty()) return;
    absl::StrAppend(&text_, "    ", name, ":\n");
    for (const auto& [key, value] : members) {
      absl::StrAppend(&text_, "      ", key, ": ", value, "\n");
    }
  }

  std::string text_;
};

std::string OutputOf(const std::string& stage, const std::string& output) {
  return Quoted(absl::StrCat("${stage.", stage, ".outputs.", output, "}"));
}

// A change of the spec: the part as the only source of `list`.
std::string SourceChange(const std::string& list, const DataProfile::Part& part) {
  return absl::StrCat("dataset_config.", list, " = { image_directory_path: ", Quoted(part.images()),
                      " label_directory_path: ", Quoted(part.labels()), " }");
}

constexpr char kDropGate[] = "    gates:\n      max_drop: {mAP: 0.02, from: %s}\n      on_fail: continue\n";

std::string PipelineText(const SsdFit& fit, const DataProfile& profile, const FitLimits& limits) {
  Pipeline pipeline(
      "# What `trainyard fit` chose and ran. To go on by hand, change specs/train.txt or the stages, and\n"
      "# run it again; what is not changed is taken from before:\n"
      "#\n"
      "#     trainyard run pipeline.yaml --state-dir .trainyard\n",
      "fit", limits);
  // What nothing was chosen by tells more than what the best epoch was chosen by.
  std::vector<std::string> judged;
  if (profile.has_test()) judged = {SourceChange("validation_data_sources", profile.test())};
  const DataProfile::Part& shown = profile.has_test() ? profile.test() : profile.validation();
  const auto model_of = [](const std::string& stage, const std::string& output) {
    return std::vector<std::pair<std::string, std::string>>{{"model", OutputOf(stage, output)}};
  };
  pipeline.Add({.name = "train", .kind = "train"});
  pipeline.Add({.name = "evaluate", .kind = "evaluate", .overrides = judged,
                .inputs = model_of("train", "best")});
  std::string trained = "train";
  if (fit.retrain_epochs > 0) {
    trained = "retrain";
    pipeline.Add({.name = "prune", .kind = "prune", .has_spec = false,
                  .inputs = model_of("train", "best"),
                  .options = {{"remove", absl::StrCat(limits.remove)}}});
    pipeline.Add({.name = "retrain", .kind = "train",
                  .overrides = {absl::StrCat("training_config.num_epochs = ", fit.retrain_epochs),
                                "training_config.pretrain_model_path =",
                                "training_config.regularizer = { type: NO_REG weight: 0 }"},
                  .inputs = model_of("prune", "model")});
    pipeline.Add({.name = "evaluate-retrained", .kind = "evaluate", .overrides = judged,
                  .inputs = model_of("retrain", "best"),
                  .more = absl::StrFormat(kDropGate, "evaluate")});
  }
  const std::string images = Quoted(profile.training().images());
  const int64_t pictures = profile.training().pictures();
  const int64_t batch = std::min<int64_t>(16, pictures);
  const int64_t batches = std::clamp<int64_t>(pictures / batch, 1, 10);
  auto exported = model_of(trained, "best");
  exported.emplace_back("cal_images", images);
  pipeline.Add({.name = "export", .kind = "export", .inputs = exported,
                .options = {{"data_type", "int8"},
                            {"batches", absl::StrCat(batches)},
                            {"batch_size", absl::StrCat(batch)}}});
  pipeline.Add({.name = "build-fp32", .kind = "build", .has_spec = false,
                .inputs = model_of("export", "model"), .options = {{"data_type", "fp32"}}});
  auto calibrated = model_of("export", "model");
  calibrated.emplace_back("cal_images", images);
  pipeline.Add({.name = "build-int8", .kind = "build", .has_spec = false, .inputs = calibrated,
                .options = {{"data_type", "int8"}}});
  pipeline.Add({.name = "evaluate-fp32", .kind = "evaluate_engine", .overrides = judged,
                .inputs = model_of("build-fp32", "engine")});
  pipeline.Add({.name = "evaluate-int8", .kind = "evaluate_engine", .overrides = judged,
                .inputs = model_of("build-int8", "engine"),
                .more = absl::StrFormat(kDropGate, "evaluate-fp32")});
  auto inferred = model_of("build-int8", "engine");
  inferred.emplace_back("images", Quoted(shown.images()));
  pipeline.Add({.name = "infer-int8", .kind = "infer_engine", .inputs = inferred,
                .options = {{"threshold", "0.4"}}});
  return pipeline.Take();
}

std::string ProbeText(const DataProfile& profile, const FitLimits& limits) {
  Pipeline pipeline("# An epoch on a few pictures, by which `trainyard fit` measures how fast a training is here.\n",
                    "probe", limits);
  pipeline.Add({.name = "train", .kind = "train",
                .overrides = {"training_config.num_epochs = 1",
                              "training_config.pretrain_model_path =",
                              SourceChange("data_sources", profile.probe()),
                              "dataset_config.validation_data_sources ="}});
  return pipeline.Take();
}

std::string SpecText(const SsdFit& fit, const DataProfile& profile, const FitLimits& limits) {
  return absl::StrCat("# Chosen by `trainyard fit`; its reasons are in choices.txt.\n\n",
                      spec::PrintCommented(SsdFitSpec(fit, profile, limits), SsdCoverage()));
}

}  // namespace

Experiment SsdFitSpec(const SsdFit& fit, const DataProfile& profile, const FitLimits& limits) {
  Experiment experiment;
  experiment.set_random_seed(static_cast<uint32_t>(limits.random_seed));
  SetNetwork(fit, experiment.mutable_ssd_config());
  SetTraining(fit, limits, experiment.mutable_training_config());
  SetEvaluation(fit, experiment.mutable_eval_config());
  auto& nms = *experiment.mutable_nms_config();
  nms.set_confidence_threshold(static_cast<float>(kRules.confidence_threshold));
  nms.set_clustering_iou_threshold(static_cast<float>(kRules.overlap));
  nms.set_top_k(static_cast<uint32_t>(kRules.top_k));
  SetAugmentation(fit, experiment.mutable_augmentation_config());
  auto& data = *experiment.mutable_dataset_config();
  SetPart(profile.training(), data.add_data_sources());
  if (profile.validation().pictures() > 0) {
    SetPart(profile.validation(), data.add_validation_data_sources());
  }
  for (const auto& one : profile.classes()) {
    (*data.mutable_target_class_mapping())[one.name()] = one.name();
  }
  ApplyDefaults(&experiment);
  return experiment;
}

absl::StatusOr<FitPlan> FitSsd(const DataProfile& profile, const FitLimits& limits) {
  FitPlan plan{.pipeline = "pipeline.yaml", .probe = "probe.yaml"};
  TY_ASSIGN_OR_RETURN(const SsdFit fit,
                      ChooseSsdFit(profile, limits, &plan.choices, &plan.warnings));
  plan.macs_per_picture = fit.macs_per_picture;
  plan.files[kSpec] = SpecText(fit, profile, limits);
  plan.files[plan.pipeline] = PipelineText(fit, profile, limits);
  plan.files[plan.probe] = ProbeText(profile, limits);
  return plan;
}

}  // namespace trainyard::networks
