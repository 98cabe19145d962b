#include "libs/networks/prepare_spec.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "libs/spec/paths.h"
#include "libs/spec/text_format.h"

namespace trainyard {
namespace {

// The spec's own model: one of a oneof.
void SetModel(const spec::common::v1::TrainingConfig& training, PreparedSpec& prepared) {
  using spec::common::v1::TrainingConfig;
  switch (training.load_model_case()) {
    case TrainingConfig::kResumeModelPath:
      prepared.resume_model = training.resume_model_path();
      prepared.model_field = "training_config.resume_model_path";
      break;
    case TrainingConfig::kPretrainModelPath:
      prepared.initial_model = training.pretrain_model_path();
      prepared.model_field = "training_config.pretrain_model_path";
      break;
    case TrainingConfig::kPrunedModelPath:
      prepared.initial_model = training.pruned_model_path();
      prepared.model_field = "training_config.pruned_model_path";
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
std::vector<SpecPath> DataOf(const spec::common::v1::DatasetConfig& dataset, SpecUse use) {
  const bool trains = use == SpecUse::kTrain, evaluates = use == SpecUse::kEvaluate;
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

absl::Span<const NetworkMarker> NetworkMarkers() {
  static const auto& all = *new std::vector<NetworkMarker>([] {
    std::vector<NetworkMarker> markers;
    for (const std::string& name : NetworkNames()) {
      const auto own = (*FindNetwork(name))->markers();
      markers.insert(markers.end(), own.begin(), own.end());
    }
    return markers;
  }());
  return all;
}

absl::StatusOr<PreparedSpec> PrepareSpec(
    absl::string_view network, absl::string_view text, absl::string_view file_name,
    absl::Span<const std::string> overrides, SpecUse use,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>& resolve) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FindNetwork(network));
  PreparedSpec prepared;
  TY_ASSIGN_OR_RETURN(const SpecMessage spec,
                      family->Load(text, file_name, overrides, use, &prepared.warnings));
  TY_RETURN_IF_ERROR(RewritePaths(spec.get(), resolve));
  const CommonSpec common = family->Common(*spec);
  SetModel(common.training, prepared);
  prepared.data = DataOf(common.data, use);
  prepared.freezes_blocks = common.freezes_blocks;
  prepared.canonical_text = PrintCanonical(*spec);
  return prepared;
}

}  // namespace trainyard
