#include "libs/spec/migration.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/registry.h"
#include "libs/spec/text_format.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"

namespace trainyard::spec {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::IsOk;
using testing::SmallSsdSpec;

const networks::NetworkFamily& Ssd() { return **networks::FindNetwork("ssd"); }

Migration Migrate(const std::string& text) {
  Migration migration = MigrateSpec(text, "old.txt", *Ssd().NewSpec(), Ssd().coverage());
  AddProblems(Ssd().Load(text, "old.txt", {}, SpecUse::kTrain, nullptr).status(), &migration);
  return migration;
}

// The row of a path; an empty one when there is none.
MigratedField RowOf(const Migration& migration, const std::string& path) {
  for (const MigratedField& field : migration.fields) {
    if (field.path == path) return field;
  }
  return {};
}

TEST(MigrationTest, TakesAWholeSpecAsItIs) {
  const Migration migration = Migrate(SmallSsdSpec());
  EXPECT_EQ(migration.Count(FieldFate::kTaken), static_cast<int>(migration.fields.size()));
  EXPECT_THAT(migration.warnings, IsEmpty());
  const MigratedField row = RowOf(migration, "ssd_config.nlayers");
  EXPECT_EQ(row.line, 9);
  EXPECT_EQ(row.value, "10");
  EXPECT_EQ(RowOf(migration, "dataset_config.target_class_mapping[\"Van\"]").value, "\"car\"");
  EXPECT_EQ(RowOf(migration, "dataset_config.data_sources[0].label_directory_path").value,
            "\"/data/labels\"");
  const auto same = Ssd().Parse(SmallSsdSpec(), "", {}, nullptr);
  ASSERT_THAT(same, IsOk());
  EXPECT_EQ(PrintCanonical(*migration.spec), PrintCanonical(**same));
}

TEST(MigrationTest, WhatHasNoEffectAndWhatIsNotOfferedIsLeftOutAndTold) {
  const Migration migration = Migrate(absl::StrReplaceAll(
      SmallSsdSpec(), {{"  num_epochs: 6\n",
                        "  num_epochs: 6\n  enable_qat: true\n  optimizer { sgd { momentum: 0.9 } }\n"
                        "  visualizer { enabled: true wandb_config { key: \"s3cret\" } }\n"}}));
  const MigratedField qat = RowOf(migration, "training_config.enable_qat");
  EXPECT_EQ(qat.fate, FieldFate::kNotOffered);
  EXPECT_EQ(qat.line, 14);
  EXPECT_EQ(qat.value, "true");
  EXPECT_THAT(qat.reason, HasSubstr("quantization-aware training"));
  const MigratedField optimizer = RowOf(migration, "training_config.optimizer");
  EXPECT_EQ(optimizer.fate, FieldFate::kNoEffect);
  EXPECT_EQ(optimizer.line, 15);
  EXPECT_EQ(migration.Count(FieldFate::kWrong), 0);
  EXPECT_EQ(migration.Count(FieldFate::kNotOffered), 1);
  EXPECT_EQ(migration.Count(FieldFate::kNoEffect), 2);
  const std::string text = PrintCanonical(*migration.spec);
  EXPECT_THAT(text, Not(HasSubstr("qat")));
  EXPECT_THAT(text, Not(HasSubstr("optimizer")));
  for (const MigratedField& field : migration.fields) EXPECT_THAT(field.value, Not(HasSubstr("s3cret")));
  EXPECT_THAT(Ssd().Load(text, "new.txt", {}, SpecUse::kTrain, nullptr), IsOk());
}

TEST(MigrationTest, UnknownNamesAreRowsWithTheNearestOne) {
  const Migration migration = Migrate(absl::StrReplaceAll(
      SmallSsdSpec(), {{"num_epochs: 6", "num_epoch: 6"}, {"top_k: 200", "top_k: 0.5"}}));
  const MigratedField unknown = RowOf(migration, "training_config.num_epoch");
  EXPECT_EQ(unknown.fate, FieldFate::kWrong);
  EXPECT_EQ(unknown.line, 13);
  EXPECT_THAT(unknown.reason, HasSubstr("did you mean 'num_epochs'?"));
  const MigratedField no_number = RowOf(migration, "nms_config.top_k");
  EXPECT_EQ(no_number.fate, FieldFate::kWrong);
  EXPECT_THAT(no_number.reason, HasSubstr("0.5"));
  // What the reader said once, the check does not say again.
  EXPECT_EQ(migration.Count(FieldFate::kWrong), 2);
}

TEST(MigrationTest, ValuesAreJudgedByTheNetworksOwnCheck) {
  const Migration migration = Migrate(absl::StrReplaceAll(
      SmallSsdSpec(), {{"nlayers: 10", "nlayers: 10 pred_num_channels: 256"}, {"batch_size: 8", ""}}));
  const MigratedField module = RowOf(migration, "ssd_config.pred_num_channels");
  EXPECT_EQ(module.fate, FieldFate::kNotOffered);
  EXPECT_EQ(module.value, "256");
  const MigratedField missing = RowOf(migration, "eval_config.batch_size");
  EXPECT_EQ(missing.fate, FieldFate::kWrong);
  EXPECT_THAT(missing.reason, HasSubstr("is missing"));
}

TEST(MigrationTest, TellsOtherSpellings) {
  const Migration migration = Migrate(absl::StrReplaceAll(
      SmallSsdSpec(), {{"clustering_iou_threshold", "cluster_iou_threshold"}}));
  const MigratedField row = RowOf(migration, "nms_config.clustering_iou_threshold");
  EXPECT_EQ(row.fate, FieldFate::kTaken);
  EXPECT_EQ(row.reason, "written as cluster_iou_threshold");
}

TEST(MigrationTest, RowsAreInTheOrderOfTheText) {
  const Migration migration = Migrate(SmallSsdSpec());
  for (size_t i = 1; i < migration.fields.size(); ++i) {
    EXPECT_LE(migration.fields[i - 1].line, migration.fields[i].line);
  }
}

}  // namespace
}  // namespace trainyard::spec
