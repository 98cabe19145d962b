#include "libs/spec/ssd_spec.h"

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/spec/coverage.h"
#include "libs/spec/internal/defaults.h"
#include "libs/spec/internal/field_check.h"
#include "libs/spec/internal/field_names.h"
#include "libs/spec/internal/ssd_check.h"
#include "libs/spec/internal/text_parser.h"
#include "libs/spec/spec_kind.h"

namespace trainyard {
namespace {

using spec::common::v1::DatasetConfig;
using spec::common::v1::NMSConfig;
using spec::common::v1::RegularizerConfig;
using spec::common::v1::TrainingConfig;
using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;

// Folders beside tfrecords_path are not read; TAO does not say so.
void WarnOfUnusedFolders(const Experiment& experiment, const FieldPlaces& places,
                         std::vector<std::string>* warnings) {
  if (warnings == nullptr) return;
  const auto warn = [&](const auto& sources, absl::string_view list) {
    for (int i = 0; i < sources.size(); ++i) {
      if (sources[i].tfrecords_path().empty() || (sources[i].image_directory_path().empty() &&
                                                  sources[i].label_directory_path().empty())) {
        continue;
      }
      const std::string path = internal::IndexedPath(absl::StrCat("dataset_config.", list), i);
      const auto place = places.find(path);
      warnings->push_back(
          absl::StrCat(place == places.end() ? "" : place->second + ": ", path,
                       " has tfrecords_path and folders; the folders are not read"));
    }
  };
  warn(experiment.dataset_config().data_sources(), "data_sources");
  warn(experiment.dataset_config().validation_data_sources(), "validation_data_sources");
}

Experiment ParseInto(absl::string_view text, absl::string_view file_name,
                     absl::Span<const std::string> overrides, std::vector<std::string>* warnings,
                     FieldPlaces* places, Problems* problems) {
  Experiment experiment;
  internal::ParseTextFormatInto(text, file_name, &experiment, warnings, places, problems);
  internal::ApplyOverridesInto(overrides, &experiment, places, problems);
  WarnOfNoEffect(experiment, *places, warnings);
  WarnOfUnusedFolders(experiment, *places, warnings);
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

void TrainingDefaults(TrainingConfig* config) {
  TY_DEFAULT_FOR_ZERO(config, checkpoint_interval, 1);
  TY_DEFAULT(config, enable_qat, false);
  TY_DEFAULT_FOR_ZERO(config, max_queue_size, 20);
  TY_DEFAULT(config, n_workers, 0);
  if (config->has_regularizer()) {
    TY_DEFAULT(config->mutable_regularizer(), type, RegularizerConfig::NO_REG);
    TY_DEFAULT(config->mutable_regularizer(), weight, 0.0f);
  }
  if (config->has_early_stopping()) {
    TY_DEFAULT(config->mutable_early_stopping(), min_delta, 0.0f);
    TY_DEFAULT(config->mutable_early_stopping(), patience, 0);
  }
  if (config->has_visualizer()) {
    TY_DEFAULT(config->mutable_visualizer(), enabled, false);
    TY_DEFAULT(config->mutable_visualizer(), num_images, 0);
  }
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
                                          absl::Span<const std::string> overrides, SsdTask task,
                                          std::vector<std::string>* warnings) {
  TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, SpecKind::kExperiment));
  FieldPlaces places;
  Problems problems;
  Experiment experiment = ParseInto(text, file_name, overrides, warnings, &places, &problems);
  internal::FieldCheck check(&places, /*partial=*/!problems.empty());
  internal::CheckExperimentInto(experiment, task, &check);
  const absl::Status status = check.ToStatus(problems);
  if (!status.ok()) return status;
  ApplyDefaults(&experiment);
  return experiment;
}

void ApplyDefaults(Experiment* experiment) {
  TY_DEFAULT(experiment, random_seed, 42);
  if (experiment->has_ssd_config()) SsdDefaults(experiment->mutable_ssd_config());
  if (experiment->has_training_config()) TrainingDefaults(experiment->mutable_training_config());
  if (experiment->has_eval_config()) EvaluationDefaults(experiment->mutable_eval_config());
  if (experiment->has_augmentation_config()) {
    AugmentationDefaults(experiment->mutable_augmentation_config());
  }
  if (experiment->has_nms_config()) {
    TY_DEFAULT(experiment->mutable_nms_config(), infer_nms_score_bits, 0);
  }
  if (experiment->has_dataset_config()) {
    TY_DEFAULT(experiment->mutable_dataset_config(), include_difficult_in_training, true);
  }
}

}  // namespace trainyard
