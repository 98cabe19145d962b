#include "libs/spec/coverage.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/networks/classification/classification_spec.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"
#include "trainyard/spec/augment/v1/augment_config.pb.h"
#include "trainyard/spec/classification/v1/experiment.pb.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using testing::IsOk;

// Field -> word, for every field below `type`: "SSDConfig.arch",
// "augment.DatasetConfig.image_path".
void Collect(const Descriptor* type, absl::Span<const CoverageRule> rules,
             std::map<std::string, std::string>* fields) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    absl::string_view name = field->full_name();
    absl::ConsumePrefix(&name, "trainyard.spec.");
    if (!fields->emplace(name, NameOf(SupportOf(field, rules))).second || field->is_map()) continue;
    if (field->message_type() != nullptr) Collect(field->message_type(), rules, fields);
  }
}

std::map<std::string, std::string> FieldsOfDescriptors() {
  std::map<std::string, std::string> fields;
  Collect(spec::ssd::v1::Experiment::descriptor(), networks::SsdCoverage(), &fields);
  Collect(spec::classification::v1::Experiment::descriptor(), networks::ClassificationCoverage(),
          &fields);
  Collect(spec::dataset::v1::DatasetExportConfig::descriptor(), DatasetExportCoverage(), &fields);
  Collect(spec::augment::v1::AugmentConfig::descriptor(), AugmentCoverage(), &fields);
  return fields;
}

// Rows "| `field` | word | ..." below headings "### `message`".
std::map<std::string, std::string> FieldsOfTheDocument(const std::string& document) {
  std::map<std::string, std::string> fields;
  std::string message;
  for (absl::string_view line : absl::StrSplit(document, '\n')) {
    if (absl::ConsumePrefix(&line, "### `")) message = std::string(line.substr(0, line.find('`')));
    if (message.empty() || !absl::ConsumePrefix(&line, "| `")) continue;
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() < 3) continue;
    const std::string name = cells[0].substr(0, cells[0].find('`'));
    fields[message + "." + name] = std::string(absl::StripAsciiWhitespace(cells[1]));
  }
  return fields;
}

TEST(CoverageTest, TheDocumentListsEveryFieldWithWhatBecomesOfIt) {
  const auto document = ReadFile(SourceDir() + "/docs/spec-coverage.md");
  ASSERT_THAT(document, IsOk());
  const auto documented = FieldsOfTheDocument(*document);
  const auto known = FieldsOfDescriptors();
  for (const auto& [field, word] : known) {
    const auto row = documented.find(field);
    ASSERT_NE(row, documented.end()) << field << " is not in docs/spec-coverage.md";
    EXPECT_EQ(row->second, word) << field;
  }
  for (const auto& [field, word] : documented) {
    EXPECT_EQ(known.count(field), 1) << field << " is in docs/spec-coverage.md and in no message";
  }
}

TEST(CoverageTest, TheDocumentListsEveryOtherSpelling) {
  const auto document = ReadFile(SourceDir() + "/docs/spec-coverage.md");
  ASSERT_THAT(document, IsOk());
  for (const FieldAlias& alias : Aliases()) {
    EXPECT_TRUE(absl::StrContains(*document, alias.alias)) << alias.alias;
  }
}

// Numbers of TAO's definitions: a spec in binary form, and stored jobs, depend on them.
TEST(CoverageTest, NumbersAreTaos) {
  const auto number = [](const Descriptor* type, const char* name) {
    const FieldDescriptor* field = type->FindFieldByName(name);
    return field == nullptr ? -1 : field->number();
  };
  using spec::common::v1::TrainingConfig;
  using spec::dataset::v1::DatasetExportConfig;
  using spec::dataset::v1::KITTIConfig;
  using spec::ssd::v1::AugmentationConfig;
  using spec::ssd::v1::EvalConfig;
  using spec::ssd::v1::Experiment;
  using spec::ssd::v1::SSDConfig;
  EXPECT_EQ(number(Experiment::descriptor(), "ssd_config"), 7);
  EXPECT_EQ(number(SSDConfig::descriptor(), "freeze_blocks"), 18);
  EXPECT_EQ(number(SSDConfig::descriptor(), "freeze_bn"), 19);
  EXPECT_EQ(number(SSDConfig::descriptor(), "neg_iou_thresh"), 20);
  EXPECT_EQ(number(TrainingConfig::descriptor(), "visualizer"), 16);
  EXPECT_EQ(number(EvalConfig::descriptor(), "validation_period_during_training"), 1);
  EXPECT_EQ(number(AugmentationConfig::descriptor(), "image_mean"), 15);
  EXPECT_EQ(number(DatasetExportConfig::descriptor(), "target_class_mapping"), 7);
  EXPECT_EQ(number(DatasetExportConfig::descriptor(), "sample_modifier_config"), 5);
  EXPECT_EQ(number(KITTIConfig::descriptor(), "val_split"), 11);
}

TEST(CoverageTest, NumbersOfClassificationAreTaos) {
  // Field -> number, where the order of the names is not that of the numbers.
  const std::map<std::string, int> numbers = {
      {"Experiment.eval_config", 1},
      {"Experiment.train_config", 3},
      {"EvalConfig.enable_center_crop", 6},
      {"ModelConfig.n_layers", 3},
      {"ModelConfig.freeze_blocks", 10},
      {"ModelConfig.resize_interpolation_method", 12},
      {"ModelConfig.byom_model", 15},
      {"TrainConfig.optimizer", 4},
      {"TrainConfig.random_seed", 10},
      {"TrainConfig.label_smoothing", 12},
      {"TrainConfig.preprocess_mode", 13},
      {"TrainConfig.enable_center_crop", 14},
      {"TrainConfig.image_mean", 18},
      {"TrainConfig.visualizer", 20},
      {"SgdOptimizerConfig.momentum", 3},
      {"AdamOptimizerConfig.epsilon", 4},
      {"RmspropOptimizerConfig.epsilon", 3},
      {"RegConfig.weight_decay", 3},
      {"LRConfig.cosine", 3},
      {"SoftAnnealLrConfig.annealing_divider", 3},
      {"SoftAnnealLrConfig.annealing_points", 7},
      {"CosineLrConfig.min_lr_ratio", 2},
  };
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const auto& [name, number] : numbers) {
    const FieldDescriptor* field =
        pool->FindFieldByName("trainyard.spec.classification.v1." + name);
    ASSERT_NE(field, nullptr) << name;
    EXPECT_EQ(field->number(), number) << name;
  }
}

TEST(CoverageTest, EveryRuleNamesAFieldThatExists) {
  // A rule with a slip in its name would leave its field "supported"; these counts come from the
  // sheet.
  std::map<std::string, int> counts;
  for (const auto& [field, word] : FieldsOfDescriptors()) {
    if (!absl::StrContains(field, "classification.") && !absl::StrContains(field, "COCOConfig.") &&
        !absl::StrContains(field, "Optimizer") && !absl::StrContains(field, "CostScalingConfig.") &&
        !absl::StrContains(field, "WandBConfig.") && !absl::StrContains(field, "ClearMLConfig.") &&
        !absl::StrContains(field, "Cosine")) {
      ++counts[word];
    }
  }
  EXPECT_EQ(counts["UNIMPLEMENTED"], 7);
  EXPECT_EQ(counts["warned"], 24);
}

TEST(CoverageTest, WhatClassificationDoesNotActOn) {
  std::map<std::string, std::set<std::string>> fields;
  for (const auto& [field, word] : FieldsOfDescriptors()) {
    absl::string_view name = field;
    if (absl::ConsumePrefix(&name, "classification.v1.")) fields[word].emplace(name);
  }
  EXPECT_THAT(fields["UNIMPLEMENTED"],
              ::testing::ElementsAre("Activation.activation_parameters", "ModelConfig.byom_model",
                                     "TrainConfig.mixup_alpha"));
  EXPECT_THAT(fields["warned"],
              ::testing::ElementsAre("AdamOptimizerConfig.lr", "EvalConfig.n_workers", "ModelConfig.dropout",
                                     "RmspropOptimizerConfig.lr", "SgdOptimizerConfig.lr",
                                     "TrainConfig.model_parallelism"));
}

}  // namespace
}  // namespace trainyard::spec
