#include "libs/networks/ssd/ssd_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/networks/ssd/ssd_backbone.h"
#include "libs/networks/ssd/ssd_lists.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/common/dataset_config.h"
#include "libs/spec/common/image_mean.h"
#include "libs/spec/common/nms_config.h"
#include "libs/spec/common/training_config.h"
#include "libs/spec/field_check.h"
#include "libs/spec/field_names.h"

namespace trainyard::networks {
namespace internal {

using spec::SpecUse;
using spec::internal::FieldCheck;
using spec::internal::kCount;
using spec::internal::kNotNegative;
using spec::internal::kUnit;
using spec::internal::Presence;
using spec::internal::Range;
namespace {

using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;

constexpr Range kSide{.least = 128, .most = 8192};

Presence RequiredIf(bool condition) {
  return condition ? Presence::kRequired : Presence::kOptional;
}

bool IsOffered(const std::string& arch) {
  const std::vector<std::string>& archs = SsdArchs();
  return std::find(archs.begin(), archs.end(), arch) != archs.end();
}

void CheckDepth(const SSDConfig& config, FieldCheck* check) {
  const std::vector<int> depths = SsdDepths(config.arch());
  if (depths.empty()) return;
  const uint32_t layers = config.nlayers();
  const std::string words =
      absl::StrCat("one of ", absl::StrJoin(depths, ", "), " for ", config.arch());
  if (!config.has_nlayers()) {
    check->Missing("ssd_config.nlayers", words);
  } else if (std::count(depths.begin(), depths.end(), static_cast<int>(layers)) == 0) {
    check->Add("ssd_config.nlayers", "is %d; expected %s", layers, words);
  }
}

void CheckFrozenBlocks(const SSDConfig& config, FieldCheck* check) {
  const layers::BlockRange blocks = SsdBlocks(config.arch());
  for (int i = 0; i < config.freeze_blocks_size(); ++i) {
    const int64_t block = config.freeze_blocks(i);
    if (block >= blocks.first && block <= blocks.last) continue;
    check->Add(spec::internal::IndexedPath("ssd_config.freeze_blocks", i),
               "is %d; expected a block of %s, %d to %d", block, config.arch(), blocks.first,
               blocks.last);
  }
}

void CheckArch(const SSDConfig& config, FieldCheck* check) {
  if (!check->Text(config, "ssd_config", "arch", "a backbone, such as \"resnet\"")) return;
  check->Choice(config, "ssd_config", "arch", SsdArchs());
  if (!IsOffered(config.arch())) return;
  CheckDepth(config, check);
  CheckFrozenBlocks(config, check);
}

void CheckNetwork(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (experiment.has_dssd_config()) return;  // NotOfferedIn has said it
  if (!experiment.has_ssd_config()) {
    check->Missing("ssd_config", "a network");
    return;
  }
  const SSDConfig& config = experiment.ssd_config();
  CheckArch(config, check);
  ReadSsdLists(config, check);
  check->Number(config, "ssd_config", "alpha", kNotNegative);
  check->Number(config, "ssd_config", "neg_pos_ratio", kNotNegative);
  check->Number(config, "ssd_config", "pos_iou_thresh", kUnit);
  check->Number(config, "ssd_config", "neg_iou_thresh", kUnit);
  if (use == SpecUse::kTrain && config.pred_num_channels() != 0 &&
      config.pred_num_channels() != 256 && config.pred_num_channels() != 512 &&
      config.pred_num_channels() != 1024) {
    check->Add("ssd_config.pred_num_channels", "is %d; expected 0, 256, 512 or 1024",
               config.pred_num_channels());
  }
}

void CheckTraining(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (!experiment.has_training_config()) {
    if (use == SpecUse::kTrain) check->Missing("training_config", "it for a training");
    return;
  }
  const auto& data = experiment.dataset_config();
  const spec::internal::TrainingSurroundings surroundings{
      .has_validation_data = !data.validation_data_sources().empty() || data.has_validation_fold(),
      .validation_period =
          static_cast<int>(experiment.eval_config().validation_period_during_training())};
  spec::internal::CheckTrainingConfig(experiment.training_config(), surroundings, check);
}

void CheckEvaluation(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (!experiment.has_eval_config()) {
    if (use != SpecUse::kExport) check->Missing("eval_config", "it for this task");
    return;
  }
  const EvalConfig& config = experiment.eval_config();
  check->Number(config, "eval_config", "validation_period_during_training", kCount,
                RequiredIf(use == SpecUse::kTrain));
  check->Number(config, "eval_config", "batch_size", kCount, RequiredIf(use != SpecUse::kExport));
  check->Number(config, "eval_config", "matching_iou_threshold", spec::internal::kOpenUnit);
}

void CheckNms(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (experiment.has_nms_config())
    return spec::internal::CheckNmsConfig(experiment.nms_config(), check);
  if (use != SpecUse::kExport) check->Missing("nms_config", "it for this task");
}

void CheckDataset(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (experiment.has_dataset_config()) {
    return spec::internal::CheckDatasetConfig(experiment.dataset_config(), use, check);
  }
  if (use != SpecUse::kExport) check->Missing("dataset_config", "it for this task");
}

void CheckOrdered(absl::string_view least_name, float least, absl::string_view most_name,
                  float most, FieldCheck* check) {
  if (least <= most) return;
  check->Add(spec::internal::JoinField("augmentation_config", least_name),
             "is %g; expected at most %s, which is %g", least, most_name, most);
}

void CheckAugmentation(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  if (!experiment.has_augmentation_config()) {
    if (use != SpecUse::kExport) check->Missing("augmentation_config", "it for this task");
    return;
  }
  const AugmentationConfig& config = experiment.augmentation_config();
  const auto number = [&](absl::string_view name, const Range& range,
                          Presence presence = Presence::kOptional) {
    check->Number(config, "augmentation_config", name, range, presence);
  };
  number("output_width", kSide, Presence::kRequired);
  number("output_height", kSide, Presence::kRequired);
  if (!config.has_output_channel()) {
    check->Missing("augmentation_config.output_channel", "1 or 3");
  } else if (config.output_channel() != 1 && config.output_channel() != 3) {
    check->Add("augmentation_config.output_channel", "is %d; expected 1 or 3",
               config.output_channel());
  }
  constexpr Range kCropScale{.least = 0, .most = 1, .open_least = true};
  constexpr Range kFraction{.least = 0, .most = 1, .open_most = true};
  for (const char* name : {"random_crop_min_scale", "random_crop_max_scale"})
    number(name, kCropScale);
  for (const char* name : {"random_crop_min_ar", "random_crop_max_ar"})
    number(name, spec::internal::kPositive);
  // Beyond 100 times nothing of the picture is left.
  for (const char* name : {"zoom_out_min_scale", "zoom_out_max_scale"})
    number(name, {.least = 1, .most = 100});
  for (const char* name : {"contrast", "saturation", "random_flip"}) number(name, kFraction);
  number("brightness", {.least = 0, .most = 255});
  number("hue", {.least = 0, .most = 180});
  // With the guide's defaults where one of a pair is absent.
  Experiment with_defaults;
  AugmentationConfig& full = *with_defaults.mutable_augmentation_config();
  full = config;
  ApplyDefaults(&with_defaults);
  CheckOrdered("random_crop_min_scale", full.random_crop_min_scale(), "random_crop_max_scale",
               full.random_crop_max_scale(), check);
  CheckOrdered("random_crop_min_ar", full.random_crop_min_ar(), "random_crop_max_ar",
               full.random_crop_max_ar(), check);
  CheckOrdered("zoom_out_min_scale", full.zoom_out_min_scale(), "zoom_out_max_scale",
               full.zoom_out_max_scale(), check);
  spec::internal::CheckImageMean(config.image_mean(), "augmentation_config.image_mean",
                                 config.output_channel(),
                                 absl::StrCat("output_channel ", config.output_channel()), check);
}

}  // namespace

void CheckExperimentInto(const Experiment& experiment, SpecUse use, FieldCheck* check) {
  CheckNetwork(experiment, use, check);
  CheckTraining(experiment, use, check);
  CheckEvaluation(experiment, use, check);
  CheckNms(experiment, use, check);
  CheckAugmentation(experiment, use, check);
  CheckDataset(experiment, use, check);
  check->NotOfferedIn(experiment, SsdCoverage());
}

void WarnOfUnusedDepth(const SSDConfig& config, const spec::FieldPlaces& places,
                       std::vector<std::string>* warnings) {
  if (warnings == nullptr || config.nlayers() == 0 || !IsOffered(config.arch()) ||
      !SsdDepths(config.arch()).empty()) {
    return;
  }
  const std::string path = "ssd_config.nlayers";
  warnings->push_back(absl::StrCat(spec::internal::PlacePrefix(places, places.find(path)), path,
                                   " has no effect for ", config.arch(),
                                   ": resnet, vgg and darknet have several depths"));
}

}  // namespace internal

absl::Status CheckExperiment(const spec::ssd::v1::Experiment& experiment, spec::SpecUse use,
                             const spec::FieldPlaces* places) {
  spec::internal::FieldCheck check(places, /*partial=*/false);
  internal::CheckExperimentInto(experiment, use, &check);
  return check.ToStatus();
}

}  // namespace trainyard::networks
