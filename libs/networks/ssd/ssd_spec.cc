#include "libs/networks/ssd/ssd_spec.h"

#include "libs/networks/prepare_spec.h"
#include "libs/networks/ssd/ssd_check.h"
#include "libs/spec/common/dataset_config.h"
#include "libs/spec/common/image_mean.h"
#include "libs/spec/common/nms_config.h"
#include "libs/spec/common/training_config.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_form.h"

namespace trainyard::networks {
namespace {

using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;

void Warn(const Experiment& experiment, const spec::FieldPlaces& places,
          std::vector<std::string>* warnings) {
  spec::WarnOfNoEffect(experiment, SsdCoverage(), places, warnings);
  internal::WarnOfUnusedDepth(experiment.ssd_config(), places, warnings);
  spec::internal::WarnOfUnusedFolders(experiment.dataset_config(), places, warnings);
}

constexpr spec::NetworkMarker kMarkers[] = {{"ssd", "ssd_config", "an SSD experiment"},
                                            {"ssd", "dssd_config", "a DSSD experiment"}};

spec::internal::SpecForm<Experiment> Form() {
  return {{spec::SpecKind::kExperiment, "ssd", NetworkMarkers()}, Warn, ApplyDefaults};
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
  spec::internal::ApplyImageMeanDefault(config->output_channel(), config->mutable_image_mean());
}

}  // namespace

absl::Span<const spec::NetworkMarker> SsdMarkers() { return kMarkers; }

absl::StatusOr<Experiment> ParseExperiment(absl::string_view text, absl::string_view file_name,
                                           absl::Span<const std::string> overrides,
                                           std::vector<std::string>* warnings,
                                           spec::FieldPlaces* places) {
  return Form().Parse(text, file_name, overrides, warnings, places);
}

absl::StatusOr<Experiment> LoadExperiment(absl::string_view text, absl::string_view file_name,
                                          absl::Span<const std::string> overrides,
                                          spec::SpecUse use, std::vector<std::string>* warnings) {
  return Form().Load(text, file_name, overrides, warnings,
                     [use](const Experiment& experiment, spec::internal::FieldCheck* check) {
                       internal::CheckExperimentInto(experiment, use, check);
                     });
}

void ApplyDefaults(Experiment* experiment) {
  TY_DEFAULT(experiment, random_seed, 42);
  if (experiment->has_ssd_config()) SsdDefaults(experiment->mutable_ssd_config());
  if (experiment->has_training_config()) {
    spec::internal::ApplyTrainingDefaults(experiment->mutable_training_config());
  }
  if (experiment->has_eval_config()) EvaluationDefaults(experiment->mutable_eval_config());
  if (experiment->has_augmentation_config()) {
    AugmentationDefaults(experiment->mutable_augmentation_config());
  }
  if (experiment->has_nms_config())
    spec::internal::ApplyNmsDefaults(experiment->mutable_nms_config());
  if (experiment->has_dataset_config()) {
    spec::internal::ApplyDatasetDefaults(experiment->mutable_dataset_config());
  }
}

}  // namespace trainyard::networks
