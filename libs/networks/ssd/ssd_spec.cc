#include "libs/networks/ssd/ssd_spec.h"

#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/ssd/ssd_check.h"
#include "libs/spec/common/dataset_config.h"
#include "libs/spec/common/nms_config.h"
#include "libs/spec/common/training_config.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/text_parser.h"

namespace trainyard {
namespace {

using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;

Experiment ParseInto(absl::string_view text, absl::string_view file_name,
                     absl::Span<const std::string> overrides, std::vector<std::string>* warnings,
                     FieldPlaces* places, Problems* problems) {
  Experiment experiment;
  internal::ParseTextFormatInto(text, file_name, &experiment, warnings, places, problems);
  internal::ApplyOverridesInto(overrides, &experiment, places, problems);
  WarnOfNoEffect(experiment, SsdCoverage(), *places, warnings);
  internal::WarnOfUnusedFolders(experiment.dataset_config(), *places, warnings);
  return experiment;
}

void SsdDefaults(SSDConfig* config) {
  TY_DEFAULT(config, two_boxes_for_ar1, false);
  TY_DEFAULT(config, clip_boxes, false);
  TY_DEFAULT(config, pred_num_channels, 0);
  TY_DEFAULT_FOR_ZERO(config, alpha, 1.0f);
  TY_DEFAULT_FOR_ZERO(config, neg_pos_ratio, 3.0f);
  TY_DEFAULT_FOR_ZERO(config, pos_iou_thresh, 0.5f);
  TY_DEFAULT_FOR_ZERO(config, neg_iou_thresh, 0.5f);
  TY_DEFAULT(config, freeze_bn, false);
}

void EvaluationDefaults(EvalConfig* config) {
  TY_DEFAULT(config, validation_period_during_training, 10);
  TY_DEFAULT(config, average_precision_mode, EvalConfig::SAMPLE);
  TY_DEFAULT(config, matching_iou_threshold, 0.5f);
  TY_DEFAULT(config, visualize_pr_curve, false);
}

// The guide's values, not the code's.
void AugmentationDefaults(AugmentationConfig* config) {
  TY_DEFAULT(config, random_crop_min_scale, 0.3f);
  TY_DEFAULT(config, random_crop_max_scale, 1.0f);
  TY_DEFAULT(config, random_crop_min_ar, 0.5f);
  TY_DEFAULT(config, random_crop_max_ar, 2.0f);
  TY_DEFAULT(config, zoom_out_min_scale, 1.0f);
  TY_DEFAULT(config, zoom_out_max_scale, 4.0f);
  TY_DEFAULT(config, brightness, 32);
  TY_DEFAULT(config, contrast, 0.5f);
  TY_DEFAULT(config, saturation, 0.5f);
  TY_DEFAULT(config, hue, 18);
  TY_DEFAULT(config, random_flip, 0.5f);
  if (!config->image_mean().empty()) return;
  auto& mean = *config->mutable_image_mean();
  if (config->output_channel() == 1) {
    mean["l"] = 117.3786f;
  } else {
    mean["b"] = 103.939f;
    mean["g"] = 116.779f;
    mean["r"] = 123.68f;
  }
}

}  // namespace

absl::StatusOr<Experiment> ParseExperiment(absl::string_view text, absl::string_view file_name,
                                           absl::Span<const std::string> overrides,
                                           std::vector<std::string>* warnings,
                                           FieldPlaces* places) {
  TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, SpecKind::kExperiment));
  FieldPlaces own_places;
  Problems problems;
  Experiment experiment = ParseInto(text, file_name, overrides, warnings,
                                    places == nullptr ? &own_places : places, &problems);
  const absl::Status status = problems.ToStatus();
  if (!status.ok()) return status;
  return experiment;
}

absl::StatusOr<Experiment> LoadExperiment(absl::string_view text, absl::string_view file_name,
                                          absl::Span<const std::string> overrides, SpecUse use,
                                          std::vector<std::string>* warnings) {
  TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, SpecKind::kExperiment));
  FieldPlaces places;
  Problems problems;
  Experiment experiment = ParseInto(text, file_name, overrides, warnings, &places, &problems);
  internal::FieldCheck check(&places, /*partial=*/!problems.empty());
  internal::CheckExperimentInto(experiment, use, &check);
  const absl::Status status = check.ToStatus(problems);
  if (!status.ok()) return status;
  ApplyDefaults(&experiment);
  return experiment;
}

void ApplyDefaults(Experiment* experiment) {
  TY_DEFAULT(experiment, random_seed, 42);
  if (experiment->has_ssd_config()) SsdDefaults(experiment->mutable_ssd_config());
  if (experiment->has_training_config()) {
    internal::ApplyTrainingDefaults(experiment->mutable_training_config());
  }
  if (experiment->has_eval_config()) EvaluationDefaults(experiment->mutable_eval_config());
  if (experiment->has_augmentation_config()) {
    AugmentationDefaults(experiment->mutable_augmentation_config());
  }
  if (experiment->has_nms_config()) internal::ApplyNmsDefaults(experiment->mutable_nms_config());
  if (experiment->has_dataset_config()) {
    internal::ApplyDatasetDefaults(experiment->mutable_dataset_config());
  }
}

}  // namespace trainyard
