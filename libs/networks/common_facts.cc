#include "libs/networks/common_facts.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trainyard::networks {
namespace {

// The spec's own model: one of a oneof.
void SetModel(const spec::common::v1::TrainingConfig& training, SpecFacts& facts) {
  using spec::common::v1::TrainingConfig;
  switch (training.load_model_case()) {
    case TrainingConfig::kResumeModelPath:
      facts.resume_model = training.resume_model_path();
      facts.model_field = "training_config.resume_model_path";
      break;
    case TrainingConfig::kPretrainModelPath:
      facts.initial_model = training.pretrain_model_path();
      facts.model_field = "training_config.pretrain_model_path";
      break;
    case TrainingConfig::kPrunedModelPath:
      facts.initial_model = training.pruned_model_path();
      facts.model_field = "training_config.pruned_model_path";
      break;
    default:
      break;
  }
}

void AddSource(const spec::common::v1::DataSource& source, const std::string& field, bool is_read,
               std::vector<SpecPath>& paths) {
  const auto add = [&](absl::string_view name, const std::string& path) {
    if (!path.empty()) paths.push_back({absl::StrCat(field, ".", name), path, is_read});
  };
  add("label_directory_path", source.label_directory_path());
  add("image_directory_path", source.image_directory_path());
  add("tfrecords_path", source.tfrecords_path());
}

// An evaluation reads the validation data; without, a fold of the converted sets.
std::vector<SpecPath> DataOf(const spec::common::v1::DatasetConfig& dataset, spec::SpecUse use) {
  const bool trains = use == spec::SpecUse::kTrain, evaluates = use == spec::SpecUse::kEvaluate;
  const bool validates_on_fold = dataset.validation_data_sources().empty();
  std::vector<SpecPath> paths;
  for (int i = 0; i < dataset.data_sources_size(); ++i) {
    const auto& source = dataset.data_sources(i);
    const bool is_fold = validates_on_fold && !source.tfrecords_path().empty();
    AddSource(source, absl::StrCat("dataset_config.data_sources[", i, "]"),
              trains || (evaluates && is_fold), paths);
  }
  for (int i = 0; i < dataset.validation_data_sources_size(); ++i) {
    AddSource(dataset.validation_data_sources(i),
              absl::StrCat("dataset_config.validation_data_sources[", i, "]"), trains || evaluates,
              paths);
  }
  return paths;
}

}  // namespace

SpecFacts CommonFacts(const spec::common::v1::TrainingConfig& training,
                      const spec::common::v1::DatasetConfig& data, spec::SpecUse use) {
  SpecFacts facts;
  SetModel(training, facts);
  facts.data = DataOf(data, use);
  return facts;
}

}  // namespace trainyard::networks
