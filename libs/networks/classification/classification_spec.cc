#include "libs/networks/classification/classification_spec.h"

#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/networks/classification/classification_check.h"
#include "libs/networks/prepare_spec.h"
#include "libs/spec/common/image_mean.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_form.h"

namespace trainyard::networks {
namespace {

using spec::classification::v1::EvalConfig;
using spec::classification::v1::Experiment;
using spec::classification::v1::LRConfig;
using spec::classification::v1::ModelConfig;
using spec::classification::v1::OptimizerConfig;
using spec::classification::v1::TrainConfig;

constexpr char kName[] = "classification";
constexpr char kTitle[] = "an image classification experiment";
constexpr spec::NetworkMarker kMarkers[] = {{kName, "train_config", kTitle},
                                            {kName, "model_config.n_layers", kTitle},
                                            {kName, "eval_config.eval_dataset_path", kTitle}};

void Warn(const Experiment& experiment, const spec::FieldPlaces& places,
          std::vector<std::string>* warnings) {
  spec::WarnOfNoEffect(experiment, ClassificationCoverage(), places, warnings);
  internal::WarnOfOtherBackbones(experiment.model_config(), places, warnings);
  internal::WarnOfUnusedMean(experiment.train_config(), places, warnings);
  internal::WarnOfUnusedColors(experiment, places, warnings);
}

spec::internal::SpecForm<Experiment> Form() {
  return {
      {spec::SpecKind::kExperiment, kName, NetworkMarkers()}, Warn, ApplyClassificationDefaults};
}

// An evaluation sees what the validation of the training saw.
void EvaluationDefaults(const TrainConfig& train, EvalConfig* config) {
  TY_DEFAULT(config, n_workers, 0);
  TY_DEFAULT(config, enable_center_crop, train.enable_center_crop());
}

void ModelDefaults(ModelConfig* config) {
  if (config->arch() == "resnet") TY_DEFAULT_FOR_ZERO(config, n_layers, 18);
  TY_DEFAULT(config, retain_head, false);
  TY_DEFAULT(config, use_batch_norm, false);
  TY_DEFAULT(config, use_bias, false);
  TY_DEFAULT(config, use_pooling, false);
  TY_DEFAULT(config, all_projections, false);
  TY_DEFAULT(config, freeze_bn, false);
  TY_DEFAULT(config, resize_interpolation_method, ModelConfig::BILINEAR);
  auto* norm = config->mutable_batch_norm_config();
  TY_DEFAULT(norm, momentum, 0.9f);
  TY_DEFAULT_FOR_ZERO(norm, epsilon, 1e-5f);
}

void OptimizerDefaults(OptimizerConfig* config) {
  switch (config->optim_case()) {
    case OptimizerConfig::kAdam:
      TY_DEFAULT(config->mutable_adam(), beta_1, 0.9f);
      TY_DEFAULT(config->mutable_adam(), beta_2, 0.999f);
      TY_DEFAULT_FOR_ZERO(config->mutable_adam(), epsilon, 1e-7f);
      TY_DEFAULT(config->mutable_adam(), decay, 0.0f);
      return;
    case OptimizerConfig::kRmsprop:
      TY_DEFAULT(config->mutable_rmsprop(), rho, 0.9f);
      TY_DEFAULT_FOR_ZERO(config->mutable_rmsprop(), epsilon, 1e-7f);
      TY_DEFAULT(config->mutable_rmsprop(), decay, 0.0f);
      return;
    default:
      TY_DEFAULT(config->mutable_sgd(), decay, 0.0f);
      TY_DEFAULT(config->mutable_sgd(), momentum, 0.9f);
      TY_DEFAULT(config->mutable_sgd(), nesterov, false);
  }
}

void ScheduleDefaults(LRConfig* config) {
  if (config->has_soft_anneal()) {
    TY_DEFAULT(config->mutable_soft_anneal(), soft_start, 0.0f);
    TY_DEFAULT(config->mutable_soft_anneal(), annealing_divider, 10.0f);
  }
  if (config->has_cosine()) {
    TY_DEFAULT(config->mutable_cosine(), min_lr_ratio, 0.0f);
    TY_DEFAULT(config->mutable_cosine(), soft_start, 0.0f);
  }
}

void TrainingDefaults(int channels, TrainConfig* config) {
  OptimizerDefaults(config->mutable_optimizer());
  if (config->has_lr_config()) ScheduleDefaults(config->mutable_lr_config());
  TY_DEFAULT(config, n_workers, 0);
  TY_DEFAULT(config, random_seed, 42);
  TY_DEFAULT(config, enable_random_crop, false);
  TY_DEFAULT(config, label_smoothing, 0.0f);
  TY_DEFAULT(config, backbone_lr_scale, 1.0f);
  if (config->preprocess_mode().empty()) config->set_preprocess_mode("caffe");
  TY_DEFAULT(config, enable_center_crop, false);
  TY_DEFAULT(config, enable_color_augmentation, false);
  TY_DEFAULT(config, disable_horizontal_flip, false);
  if (config->preprocess_mode() == "caffe") {
    spec::internal::ApplyImageMeanDefault(channels, config->mutable_image_mean());
  }
  if (config->has_visualizer()) {
    TY_DEFAULT(config->mutable_visualizer(), enabled, false);
    TY_DEFAULT(config->mutable_visualizer(), num_images, 0);
  }
}

}  // namespace

absl::Span<const spec::NetworkMarker> ClassificationMarkers() { return kMarkers; }

absl::StatusOr<Experiment> ParseClassification(absl::string_view text, absl::string_view file_name,
                                               absl::Span<const std::string> overrides,
                                               std::vector<std::string>* warnings,
                                               spec::FieldPlaces* places) {
  return Form().Parse(text, file_name, overrides, warnings, places);
}

absl::StatusOr<Experiment> LoadClassification(absl::string_view text, absl::string_view file_name,
                                              absl::Span<const std::string> overrides,
                                              spec::SpecUse use,
                                              std::vector<std::string>* warnings) {
  return Form().Load(text, file_name, overrides, warnings,
                     [use](const Experiment& experiment, spec::internal::FieldCheck* check) {
                       internal::CheckClassificationInto(experiment, use, check);
                     });
}

void ApplyClassificationDefaults(Experiment* experiment) {
  if (experiment->has_eval_config()) {
    EvaluationDefaults(experiment->train_config(), experiment->mutable_eval_config());
  }
  if (experiment->has_model_config()) ModelDefaults(experiment->mutable_model_config());
  if (!experiment->has_train_config()) return;
  const auto size = InputSizeOf(experiment->model_config().input_image_size());
  TrainingDefaults(size.has_value() ? size->channels : 3, experiment->mutable_train_config());
}

std::optional<InputSize> InputSizeOf(absl::string_view input_image_size) {
  const std::vector<absl::string_view> parts = absl::StrSplit(input_image_size, ',');
  std::array<int, 3> numbers{};
  if (parts.size() != numbers.size()) return std::nullopt;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!absl::SimpleAtoi(parts[i], &numbers[i])) return std::nullopt;
  }
  const auto [channels, height, width] = numbers;
  const auto is_side = [](int side) { return side >= 16 && side <= 8192; };
  if ((channels != 1 && channels != 3) || !is_side(height) || !is_side(width)) return std::nullopt;
  return InputSize{.channels = channels, .height = height, .width = width};
}

}  // namespace trainyard::networks
