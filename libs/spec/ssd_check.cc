#include "libs/spec/internal/ssd_check.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/spec/internal/field_check.h"
#include "libs/spec/internal/field_names.h"
#include "libs/spec/internal/ssd_lists.h"
#include "libs/spec/ssd_spec.h"

namespace trainyard {
namespace internal {
namespace {

using google::protobuf::RepeatedPtrField;
using spec::common::v1::DatasetConfig;
using spec::common::v1::DataSource;
using spec::common::v1::EarlyStopping;
using spec::common::v1::LearningRateConfig;
using spec::common::v1::NMSConfig;
using spec::common::v1::RegularizerConfig;
using spec::common::v1::TrainingConfig;
using spec::ssd::v1::AugmentationConfig;
using spec::ssd::v1::EvalConfig;
using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;

// Upper ends that no sensible spec reaches: they keep a slip of the pen from asking for terabytes,
// and values within the range of int.
constexpr Range kCount{.least = 1, .most = 1e6};
constexpr Range kCountOrZero{.least = 0, .most = 1e6};
constexpr Range kSide{.least = 128, .most = 8192};

// TAO's backbones that we do not offer yet.
const std::vector<std::string>& KnownArchs() {
  static const auto* archs = new std::vector<std::string>{
      "resnet",     "vgg",       "darknet",         "mobilenet_v1",   "mobilenet_v2",
      "squeezenet", "googlenet", "efficientnet_b0", "efficientnet_b1"};
  return *archs;
}

Presence RequiredIf(bool condition) {
  return condition ? Presence::kRequired : Presence::kOptional;
}

void CheckArch(const SSDConfig& config, FieldCheck* check) {
  const std::vector<std::string>& known = KnownArchs();
  if (!check->Text(config, "ssd_config", "arch", "a backbone, such as \"resnet\"")) return;
  check->Choice(config, "ssd_config", "arch", known);
  if (config.arch() != "resnet") {
    if (std::find(known.begin(), known.end(), config.arch()) != known.end()) {
      check->NotOffered("ssd_config.arch", absl::StrCat("is \"", config.arch(),
                                                        "\", which is not offered yet; resnet is"));
    }
    return;
  }
  constexpr uint32_t kOffered[] = {10, 18}, kOthers[] = {34, 50, 101};
  const uint32_t layers = config.nlayers();
  if (std::count(std::begin(kOthers), std::end(kOthers), layers) > 0) {
    check->NotOffered("ssd_config.nlayers",
                      absl::StrCat("is ", layers, ", which is not offered yet; 10 and 18 are"));
  } else if (!config.has_nlayers()) {
    check->Missing("ssd_config.nlayers", "10 or 18 for resnet");
  } else if (std::count(std::begin(kOffered), std::end(kOffered), layers) == 0) {
    check->Add("ssd_config.nlayers", "is %d; expected 10 or 18 for resnet", layers);
  }
}

void CheckNetwork(const Experiment& experiment, SsdTask task, FieldCheck* check) {
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
  for (int i = 0; i < config.freeze_blocks_size(); ++i) {
    if (config.arch() != "resnet" || config.freeze_blocks(i) <= 4) continue;
    check->Add(IndexedPath("ssd_config.freeze_blocks", i),
               "is %d; expected a block of resnet, 0 to 4", config.freeze_blocks(i));
  }
  if (task == SsdTask::kTrain && config.pred_num_channels() != 0 &&
      config.pred_num_channels() != 256 && config.pred_num_channels() != 512 &&
      config.pred_num_channels() != 1024) {
    check->Add("ssd_config.pred_num_channels", "is %d; expected 0, 256, 512 or 1024",
               config.pred_num_channels());
  }
}

void CheckLearningRate(const TrainingConfig& config, FieldCheck* check) {
  const std::string path = "training_config.learning_rate";
  const LearningRateConfig& rate = config.learning_rate();
  if (rate.has_soft_start_cosine_annealing_schedule()) return;  // NotOfferedIn has said it
  if (!rate.has_soft_start_annealing_schedule()) {
    return check->Missing(
        config.has_learning_rate() ? path + ".soft_start_annealing_schedule" : path,
        "soft_start_annealing_schedule { ... }");
  }
  const auto& schedule = rate.soft_start_annealing_schedule();
  const std::string prefix = path + ".soft_start_annealing_schedule";
  check->Number(schedule, prefix, "min_learning_rate", kPositive, Presence::kRequired);
  check->Number(schedule, prefix, "max_learning_rate", kPositive, Presence::kRequired);
  check->Number(schedule, prefix, "soft_start", kOpenUnit, Presence::kRequired);
  check->Number(schedule, prefix, "annealing", kOpenUnit, Presence::kRequired);
  if (schedule.has_min_learning_rate() && schedule.has_max_learning_rate() &&
      schedule.min_learning_rate() > schedule.max_learning_rate()) {
    check->Add(prefix + ".min_learning_rate",
               "is %g; expected at most max_learning_rate, which is %g",
               schedule.min_learning_rate(), schedule.max_learning_rate());
  }
  if (schedule.has_soft_start() && schedule.has_annealing() &&
      schedule.soft_start() >= schedule.annealing()) {
    check->Add(prefix + ".soft_start", "is %g; expected below annealing, which is %g",
               schedule.soft_start(), schedule.annealing());
  }
}

void CheckEarlyStopping(const Experiment& experiment, FieldCheck* check) {
  const EarlyStopping& stopping = experiment.training_config().early_stopping();
  const std::string path = "training_config.early_stopping";
  if (check->Text(stopping, path, "monitor", "loss, validation_loss or val_loss")) {
    check->Choice(stopping, path, "monitor", {"loss", "validation_loss", "val_loss"});
  }
  check->Number(stopping, path, "min_delta", kNotNegative);
  check->Number(stopping, path, "patience", kCountOrZero);
  if (stopping.monitor() != "validation_loss" && stopping.monitor() != "val_loss") return;
  const DatasetConfig& data = experiment.dataset_config();
  if (data.validation_data_sources().empty() && !data.has_validation_fold()) {
    check->Add(path + ".monitor", "is \"%s\"; expected validation data in dataset_config for it",
               stopping.monitor());
  }
  if (experiment.eval_config().validation_period_during_training() != 1) {
    check->Add(path + ".monitor",
               "is \"%s\"; expected eval_config.validation_period_during_training to be 1 for it",
               stopping.monitor());
  }
}

void CheckTraining(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  if (!experiment.has_training_config()) {
    if (task == SsdTask::kTrain) check->Missing("training_config", "it for a training");
    return;
  }
  const std::string path = "training_config";
  const TrainingConfig& config = experiment.training_config();
  check->Number(config, path, "batch_size_per_gpu", kCount, Presence::kRequired);
  check->Number(config, path, "num_epochs", kCount, Presence::kRequired);
  check->Number(config, path, "checkpoint_interval", kCountOrZero);
  check->Number(config, path, "max_queue_size", kCountOrZero);
  check->Number(config, path, "n_workers", {.least = 0, .most = 1024});
  CheckLearningRate(config, check);
  if (!config.has_regularizer()) {
    check->Missing(path + ".regularizer", "regularizer { type: ... weight: ... }; NO_REG for none");
  } else if (config.regularizer().type() != RegularizerConfig::NO_REG) {
    check->Number(config.regularizer(), path + ".regularizer", "weight", kOpenUnit,
                  Presence::kRequired);
  }
  if (config.has_early_stopping()) CheckEarlyStopping(experiment, check);
  if (config.has_visualizer()) {
    check->Number(config.visualizer(), path + ".visualizer", "num_images", kCountOrZero);
  }
}

void CheckEvaluation(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  if (!experiment.has_eval_config()) {
    if (task != SsdTask::kExport) check->Missing("eval_config", "it for this task");
    return;
  }
  const EvalConfig& config = experiment.eval_config();
  check->Number(config, "eval_config", "validation_period_during_training", kCount,
                RequiredIf(task == SsdTask::kTrain));
  check->Number(config, "eval_config", "batch_size", kCount, RequiredIf(task != SsdTask::kExport));
  check->Number(config, "eval_config", "matching_iou_threshold", kOpenUnit);
}

void CheckNms(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  if (!experiment.has_nms_config()) {
    if (task != SsdTask::kExport) check->Missing("nms_config", "it for this task");
    return;
  }
  const NMSConfig& config = experiment.nms_config();
  check->Number(config, "nms_config", "confidence_threshold", kOpenUnit, Presence::kRequired);
  check->Number(config, "nms_config", "clustering_iou_threshold", kOpenUnit, Presence::kRequired);
  check->Number(config, "nms_config", "top_k", kCount, Presence::kRequired);
}

void CheckOrdered(absl::string_view least_name, float least, absl::string_view most_name,
                  float most, FieldCheck* check) {
  if (least <= most) return;
  check->Add(JoinField("augmentation_config", least_name),
             "is %g; expected at most %s, which is %g", least, most_name, most);
}

void CheckImageMean(const AugmentationConfig& config, FieldCheck* check) {
  const std::string path = "augmentation_config.image_mean";
  const bool grey = config.output_channel() == 1;
  const std::vector<std::string> wanted =
      grey ? std::vector<std::string>{"l"} : std::vector<std::string>{"b", "g", "r"};
  const std::string names = absl::StrJoin(wanted, ", ");
  if (config.image_mean().empty()) return;
  for (const std::string& key : wanted) {
    if (config.image_mean().count(key) == 0) {
      check->Missing(absl::StrCat(path, "[\"", key, "\"]"),
                     absl::StrFormat("all of %s for output_channel %d, or no image_mean at all",
                                     names, config.output_channel()));
    }
  }
  const std::map<std::string, float> sorted(config.image_mean().begin(), config.image_mean().end());
  for (const auto& [key, value] : sorted) {
    const std::string entry = absl::StrCat(path, "[\"", key, "\"]");
    const bool other_order = key == "b" || key == "g" || key == "r" || key == "l";
    if (std::count(wanted.begin(), wanted.end(), key) == 0 && !other_order) {
      check->Add(entry, "is no channel; expected %s", names);
    }
    if (!Range{.least = 0, .most = 255}.Holds(value)) {
      check->Add(entry, "is %g; expected a number in [0, 255]", value);
    }
  }
}

void CheckAugmentation(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  if (!experiment.has_augmentation_config()) {
    if (task != SsdTask::kExport) check->Missing("augmentation_config", "it for this task");
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
  for (const char* name : {"random_crop_min_ar", "random_crop_max_ar"}) number(name, kPositive);
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
  CheckImageMean(config, check);
}

// TFRecords, or both folders.
void CheckSource(const DataSource& source, const std::string& path, FieldCheck* check) {
  if (!source.tfrecords_path().empty()) return;
  const bool no_images = source.image_directory_path().empty();
  const bool no_labels = source.label_directory_path().empty();
  if (no_images && no_labels) {
    check->Missing(path + ".tfrecords_path",
                   "it, or image_directory_path and label_directory_path");
  } else if (no_images) {
    check->Missing(path + ".image_directory_path",
                   "the folder of the images of label_directory_path");
  } else if (no_labels) {
    check->Missing(path + ".label_directory_path",
                   "the folder of the labels of image_directory_path");
  }
}

void CheckSources(const RepeatedPtrField<DataSource>& sources, const std::string& path,
                  FieldCheck* check) {
  const auto is_records = [](const DataSource& source) { return !source.tfrecords_path().empty(); };
  for (int i = 0; i < sources.size(); ++i) CheckSource(sources[i], IndexedPath(path, i), check);
  const auto records = std::count_if(sources.begin(), sources.end(), is_records);
  if (records != 0 && records != sources.size()) {
    check->Add(path, "mixes %d with tfrecords_path and %d with folders; expected one kind", records,
               sources.size() - records);
  }
}

void CheckValidationFold(const DatasetConfig& config, FieldCheck* check) {
  const std::string path = "dataset_config.validation_fold";
  if (!config.has_validation_fold()) return;
  check->Number(config, "dataset_config", "validation_fold", {.least = 0, .most = 999});
  if (!config.validation_data_sources().empty()) {
    check->Add(path, "is given beside validation_data_sources; expected one of the two");
  }
  if (config.data_sources().empty() || config.data_sources(0).tfrecords_path().empty()) {
    check->Add(path, "is a fold of a converted set; expected data_sources with tfrecords_path");
  }
}

void CheckDataset(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  const std::string path = "dataset_config";
  if (!experiment.has_dataset_config()) {
    if (task != SsdTask::kExport) check->Missing(path, "it for this task");
    return;
  }
  const DatasetConfig& config = experiment.dataset_config();
  if (config.target_class_mapping().empty() && task != SsdTask::kExport) {
    check->Missing(path + ".target_class_mapping", "at least one { key: ... value: ... }");
  }
  check->ClassMapping(config.target_class_mapping(), path + ".target_class_mapping");
  if (task == SsdTask::kTrain && config.data_sources().empty()) {
    check->Missing(path + ".data_sources", "at least one");
  }
  if (task == SsdTask::kEvaluate && config.validation_data_sources().empty() &&
      !config.has_validation_fold()) {
    check->Missing(path + ".validation_data_sources", "at least one, or validation_fold");
  }
  if (task != SsdTask::kTrain && task != SsdTask::kEvaluate) return;
  if (task == SsdTask::kTrain) CheckSources(config.data_sources(), path + ".data_sources", check);
  CheckSources(config.validation_data_sources(), path + ".validation_data_sources", check);
  CheckValidationFold(config, check);
}

}  // namespace

void CheckExperimentInto(const Experiment& experiment, SsdTask task, FieldCheck* check) {
  CheckNetwork(experiment, task, check);
  CheckTraining(experiment, task, check);
  CheckEvaluation(experiment, task, check);
  CheckNms(experiment, task, check);
  CheckAugmentation(experiment, task, check);
  CheckDataset(experiment, task, check);
  check->NotOfferedIn(experiment);
}

}  // namespace internal

absl::Status CheckExperiment(const spec::ssd::v1::Experiment& experiment, SsdTask task,
                             const FieldPlaces* places) {
  internal::FieldCheck check(places, /*partial=*/false);
  internal::CheckExperimentInto(experiment, task, &check);
  return check.ToStatus();
}

}  // namespace trainyard
