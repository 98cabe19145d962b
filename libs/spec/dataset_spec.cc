#include "libs/spec/dataset_spec.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/spec/coverage.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_form.h"

namespace trainyard::spec {
namespace {

constexpr absl::string_view kIgnored = "the converter ignores it, in TAO too";
constexpr absl::string_view kRecordsHoldNumbers =
    "it goes by class names, and the records hold class numbers, in TAO too";

// The guide's defaults, and what names of shards have room for.
constexpr int kPartitions = 2;
constexpr uint32_t kMostPartitions = 999;
constexpr uint32_t kMostShards = 10'000;

constexpr CoverageRule kRules[] = {
    {"dataset.v1.KITTIConfig.point_clouds_dir", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kIgnored},
    {"dataset.v1.KITTIConfig.calibrations_dir", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kIgnored},
    {"dataset.v1.SampleModifierConfig.filter_samples_containing_only", FieldSupport::kNoEffect,
     FieldUse::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.dominant_target_classes", FieldSupport::kNoEffect,
     FieldUse::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.minimum_target_class_imbalance", FieldSupport::kNoEffect,
     FieldUse::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.num_duplicates", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.source_to_target_class_mapping", FieldSupport::kNoEffect,
     FieldUse::kWhenSet, kRecordsHoldNumbers},
};

using internal::FieldCheck;
using internal::Presence;
using google::protobuf::RepeatedPtrField;
using spec::dataset::v1::COCOConfig;
using spec::dataset::v1::DatasetExportConfig;
using spec::dataset::v1::KITTIConfig;

// Without doubled slashes, `.` and a final slash: "./d//" and "d/." are "d".
std::string PlainForm(const std::string& path) {
  std::filesystem::path plain = std::filesystem::path(path).lexically_normal();
  if (!plain.has_filename() && plain.has_relative_path()) plain = plain.parent_path();
  return plain.string();
}

// Whether two spellings can be told apart without knowing the folder that relative paths begin in.
bool AreBothAbsoluteOrRelative(absl::string_view a, absl::string_view b) {
  return absl::StartsWith(a, "/") == absl::StartsWith(b, "/");
}

void CheckRoots(const DatasetExportConfig& config, bool root_given, FieldCheck* check) {
  const std::string& root = SpecRoot(config);
  const std::string& images = config.image_directory_path();
  const std::string field = absl::StrCat(
      config.has_coco_config() ? "coco_config" : "kitti_config", ".root_directory_path");
  if (root.empty() && images.empty()) {
    if (!root_given) check->Missing(field, "the data set's root folder");
  } else if (!root.empty() && !images.empty() && AreBothAbsoluteOrRelative(root, images) &&
             PlainForm(root) != PlainForm(images)) {
    check->Add("image_directory_path", "is \"%s\", but %s is \"%s\"; expected one root folder",
               images, field, root);
  }
}

void CheckKitti(const KITTIConfig& config, FieldCheck* check) {
  const std::string path = "kitti_config";
  check->Text(config, path, "image_dir_name", "the folder of images below the root");
  check->Text(config, path, "label_dir_name", "the folder of labels below the root");
  check->RelativePath(config, path, "image_dir_name");
  check->RelativePath(config, path, "label_dir_name");
  check->RelativePath(config, path, "kitti_sequence_to_frames_file");
  check->Choice(config, path, "image_extension", {".png", ".jpg", ".jpeg"});
  check->Number(config, path, "num_shards", {.least = 0, .most = 20});
  check->Number(config, path, "val_split", {.least = 0, .most = 100});
  if (check->Text(config, path, "partition_mode", "random")) {
    check->Choice(config, path, "partition_mode", {"random", "sequence"});
  }
  if (config.partition_mode() == "sequence") {
    check->Text(config, path, "kitti_sequence_to_frames_file",
                "the JSON file below the root that maps sequences to frames, for partition_mode "
                "\"sequence\"");
    check->Number(config, path, "num_partitions", {.least = 0, .most = 999});
  }
}

// One path a partition, each below the root.
void CheckPartitions(const RepeatedPtrField<std::string>& paths, const std::string& field,
                     absl::string_view expected, int partitions, FieldCheck* check) {
  if (paths.empty()) return check->Missing(field, expected);
  if (paths.size() != partitions) {
    check->Add(field, "has %d entries; expected one for each of coco_config.num_partitions %d",
               paths.size(), partitions);
  }
  for (int i = 0; i < paths.size(); ++i) {
    const std::vector<absl::string_view> parts = absl::StrSplit(paths[i], '/');
    if (paths[i].empty() || paths[i][0] == '/' ||
        std::find(parts.begin(), parts.end(), "..") != parts.end()) {
      check->Add(absl::StrCat(field, "[", i, "]"),
                 "is \"%s\"; expected a path below the root folder, without '..'", paths[i]);
    }
  }
}

void CheckCoco(const COCOConfig& config, FieldCheck* check) {
  const int partitions =
      config.has_num_partitions()
          ? static_cast<int>(std::min<uint32_t>(config.num_partitions(), kMostPartitions + 1))
          : kPartitions;
  check->Number(config, "coco_config", "num_partitions", {.least = 1, .most = kMostPartitions});
  CheckPartitions(config.img_dir_names(), "coco_config.img_dir_names",
                  "the folders of images below the root, one a partition", partitions, check);
  CheckPartitions(config.annotation_files(), "coco_config.annotation_files",
                  "the JSON files below the root, one a partition", partitions, check);
  const std::set<std::string> files(config.annotation_files().begin(),
                                    config.annotation_files().end());
  if (static_cast<int>(files.size()) < config.annotation_files_size()) {
    check->Add("coco_config.annotation_files",
               "names a file twice, so that validation and training would share its images");
  }
  if (config.num_shards_size() > 1 && config.num_shards_size() != partitions) {
    check->Add("coco_config.num_shards",
               "has %d entries; expected one for all partitions or one for each of %d",
               config.num_shards_size(), partitions);
  }
  for (int i = 0; i < config.num_shards_size(); ++i) {
    if (config.num_shards(i) <= kMostShards) continue;
    check->Add(absl::StrCat("coco_config.num_shards[", i, "]"), "is %d; expected at most %d",
               config.num_shards(i), kMostShards);
  }
}

void CheckInto(const DatasetExportConfig& config, bool root_given, FieldCheck* check) {
  check->ClassMapping(config.target_class_mapping(), "target_class_mapping");
  if (config.has_kitti_config()) {
    CheckRoots(config, root_given, check);
    CheckKitti(config.kitti_config(), check);
  } else if (config.has_coco_config()) {
    CheckRoots(config, root_given, check);
    CheckCoco(config.coco_config(), check);
  } else {
    check->Missing("kitti_config", "it, or coco_config");
  }
  check->NotOfferedIn(config, kRules);
}

// Appends "<field> is <value> and has no effect: <reason>".
void WarnOf(absl::string_view field, absl::string_view value, absl::string_view reason,
            const FieldPlaces& places, std::vector<std::string>* warnings) {
  const std::string path = absl::StrCat("kitti_config.", field);
  warnings->push_back(absl::StrCat(internal::PlacePrefix(places, places.find(path)), path, " is ",
                                   value, " and has no effect: ", reason));
}

// Each mode has fields of its own.
void Warn(const DatasetExportConfig& config, const FieldPlaces& places, std::vector<std::string>* warnings) {
  WarnOfNoEffect(config, kRules, places, warnings);
  const KITTIConfig& kitti = config.kitti_config();
  if (warnings == nullptr) return;
  if (kitti.partition_mode() == "random") {
    if (kitti.has_num_partitions() && kitti.num_partitions() != 2) {
      WarnOf("num_partitions", absl::StrCat(kitti.num_partitions()), "random mode makes 2", places,
             warnings);
    }
    if (!kitti.kitti_sequence_to_frames_file().empty()) {
      WarnOf("kitti_sequence_to_frames_file",
             absl::StrCat("\"", kitti.kitti_sequence_to_frames_file(), "\""),
             "only sequence mode reads it", places, warnings);
    }
  }
  if (kitti.partition_mode() == "sequence" && kitti.has_val_split()) {
    WarnOf("val_split", absl::StrCat(kitti.val_split()),
           "sequence mode makes num_partitions folds of whole sequences", places, warnings);
  }
}

internal::SpecForm<DatasetExportConfig> Form(absl::Span<const NetworkMarker> networks) {
  return {{SpecKind::kConversion, "", networks}, Warn, ApplyDefaults};
}

}  // namespace

const std::string& SpecRoot(const DatasetExportConfig& config) {
  return config.has_coco_config() ? config.coco_config().root_directory_path()
                                  : config.kitti_config().root_directory_path();
}

absl::Span<const CoverageRule> DatasetExportCoverage() { return kRules; }

absl::StatusOr<DatasetExportConfig> ParseDatasetExport(absl::string_view text,
                                                       absl::string_view file_name,
                                                       absl::Span<const std::string> overrides,
                                                       std::vector<std::string>* warnings,
                                                       FieldPlaces* places) {
  return Form({}).Parse(text, file_name, overrides, warnings, places);
}

absl::Status CheckDatasetExport(const DatasetExportConfig& config, bool root_given,
                                const FieldPlaces* places) {
  FieldCheck check(places, /*partial=*/false);
  CheckInto(config, root_given, &check);
  return check.ToStatus();
}

void ApplyDefaults(DatasetExportConfig* config) {
  if (config->has_kitti_config()) {
    KITTIConfig* kitti = config->mutable_kitti_config();
    if (kitti->image_extension().empty()) kitti->set_image_extension(".png");
    kitti->set_num_partitions(kitti->partition_mode() == "random" || !kitti->has_num_partitions()
                                  ? 2
                                  : kitti->num_partitions());
    TY_DEFAULT(kitti, num_shards, 10);
    TY_DEFAULT(kitti, val_split, 20.0f);
    if (kitti->root_directory_path().empty() && !config->image_directory_path().empty()) {
      kitti->set_root_directory_path(config->image_directory_path());
    }
    if (config->image_directory_path().empty() && !kitti->root_directory_path().empty()) {
      config->set_image_directory_path(kitti->root_directory_path());
    }
  }
  if (config->has_coco_config()) {
    COCOConfig* coco = config->mutable_coco_config();
    TY_DEFAULT(coco, num_partitions, kPartitions);
    if (coco->num_shards().empty()) coco->add_num_shards(10);
    if (coco->root_directory_path().empty() && !config->image_directory_path().empty()) {
      coco->set_root_directory_path(config->image_directory_path());
    }
    if (config->image_directory_path().empty() && !coco->root_directory_path().empty()) {
      config->set_image_directory_path(coco->root_directory_path());
    }
  }
}

absl::StatusOr<DatasetExportConfig> LoadDatasetExport(absl::string_view text,
                                                      absl::string_view file_name,
                                                      absl::Span<const std::string> overrides,
                                                      bool root_given,
                                                      std::vector<std::string>* warnings,
                                                      absl::Span<const NetworkMarker> networks) {
  const auto check = [root_given](const DatasetExportConfig& config, FieldCheck* values) {
    CheckInto(config, root_given, values);
  };
  return Form(networks).Load(text, file_name, overrides, warnings, check);
}

}  // namespace trainyard::spec
