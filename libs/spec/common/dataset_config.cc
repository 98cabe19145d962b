#include "libs/spec/common/dataset_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec::internal {
namespace {

using google::protobuf::RepeatedPtrField;
using spec::common::v1::DatasetConfig;
using spec::common::v1::DataSource;

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

void WarnOfSources(const RepeatedPtrField<DataSource>& sources, absl::string_view list,
                   const FieldPlaces& places, std::vector<std::string>* warnings) {
  for (int i = 0; i < sources.size(); ++i) {
    // Pictures may lie beside records.
    const bool has_labels = !sources[i].label_directory_path().empty();
    if (sources[i].tfrecords_path().empty() || !has_labels) continue;
    const std::string path = IndexedPath(absl::StrCat("dataset_config.", list), i);
    warnings->push_back(
        absl::StrCat(PlacePrefix(places, places.find(path)), path,
                     " has tfrecords_path and label_directory_path; the label files are not read"));
  }
}

}  // namespace

void CheckDatasetConfig(const DatasetConfig& config, SpecUse use, FieldCheck* check) {
  const std::string path = "dataset_config";
  if (config.target_class_mapping().empty() && use != SpecUse::kExport) {
    check->Missing(path + ".target_class_mapping", "at least one { key: ... value: ... }");
  }
  check->ClassMapping(config.target_class_mapping(), path + ".target_class_mapping");
  if (use == SpecUse::kTrain && config.data_sources().empty()) {
    check->Missing(path + ".data_sources", "at least one");
  }
  if (use == SpecUse::kEvaluate && config.validation_data_sources().empty() &&
      !config.has_validation_fold()) {
    check->Missing(path + ".validation_data_sources", "at least one, or validation_fold");
  }
  if (use != SpecUse::kTrain && use != SpecUse::kEvaluate) return;
  if (use == SpecUse::kTrain) CheckSources(config.data_sources(), path + ".data_sources", check);
  CheckSources(config.validation_data_sources(), path + ".validation_data_sources", check);
  CheckValidationFold(config, check);
}

void ApplyDatasetDefaults(DatasetConfig* config) {
  TY_DEFAULT(config, include_difficult_in_training, true);
}

void WarnOfUnusedFolders(const DatasetConfig& config, const FieldPlaces& places,
                         std::vector<std::string>* warnings) {
  if (warnings == nullptr) return;
  WarnOfSources(config.data_sources(), "data_sources", places, warnings);
  WarnOfSources(config.validation_data_sources(), "validation_data_sources", places, warnings);
}

}  // namespace trainyard::spec::internal
