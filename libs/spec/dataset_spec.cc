#include "libs/spec/dataset_spec.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/spec/coverage.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_form.h"

namespace trainyard {
namespace {

constexpr absl::string_view kIgnored = "the converter ignores it, in TAO too";
constexpr absl::string_view kRecordsHoldNumbers =
    "it goes by class names, and the records hold class numbers, in TAO too";

constexpr CoverageRule kRules[] = {
    {"dataset.v1.DatasetExportConfig.coco_config", FieldSupport::kUnimplemented, FieldUse::kWhenSet,
     "COCO conversion"},
    {"dataset.v1.COCOConfig", FieldSupport::kUnimplemented, FieldUse::kWhenSet, ""},
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
  const std::string& root = config.kitti_config().root_directory_path();
  const std::string& images = config.image_directory_path();
  if (root.empty() && images.empty()) {
    if (!root_given) {
      check->Missing("kitti_config.root_directory_path", "the data set's root folder");
    }
  } else if (!root.empty() && !images.empty() && AreBothAbsoluteOrRelative(root, images) &&
             PlainForm(root) != PlainForm(images)) {
    check->Add(
        "image_directory_path",
        "is \"%s\", but kitti_config.root_directory_path is \"%s\"; expected one root folder",
        images, root);
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

void CheckInto(const DatasetExportConfig& config, bool root_given, FieldCheck* check) {
  check->ClassMapping(config.target_class_mapping(), "target_class_mapping");
  if (config.has_kitti_config()) {
    CheckRoots(config, root_given, check);
    CheckKitti(config.kitti_config(), check);
  } else if (!config.has_coco_config()) {
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
    TY_DEFAULT(config->mutable_coco_config(), num_partitions, 2);
    if (config->coco_config().num_shards().empty())
      config->mutable_coco_config()->add_num_shards(10);
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

}  // namespace trainyard
