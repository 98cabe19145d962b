#include "libs/spec/dataset_spec.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;

constexpr char kSpec[] = R"(kitti_config {
  root_directory_path: "/data/"
  image_dir_name: "images"
  label_dir_name: "labels"
  partition_mode: "random"
}
)";

auto Load(const std::vector<std::string>& overrides, std::vector<std::string>* warnings = nullptr,
          bool root_given = false) {
  return LoadDatasetExport(kSpec, "convert.txt", overrides, root_given, warnings);
}

std::vector<std::string> ProblemsOf(const std::vector<std::string>& overrides) {
  std::vector<std::string> lines;
  for (const Problem& problem : ProblemsFrom(Load(overrides).status())) {
    lines.push_back(absl::StrCat(problem.field, " ", problem.description));
  }
  return lines;
}

TEST(LoadDatasetExportTest, FillsInTheGuidesDefaults) {
  const auto config = Load({});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->kitti_config().num_shards(), 10);
  EXPECT_EQ(config->kitti_config().num_partitions(), 2);
  EXPECT_EQ(config->kitti_config().val_split(), 20);
  EXPECT_EQ(config->kitti_config().image_extension(), ".png");
  EXPECT_EQ(config->image_directory_path(), "/data/");
}

TEST(LoadDatasetExportTest, AnExplicitZeroOfTheSplitStays) {
  const auto config = Load({"kitti_config.val_split = 0"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->kitti_config().val_split(), 0);
  EXPECT_THAT(Load({"kitti_config.val_split = 100"}), IsOk());
}

TEST(LoadDatasetExportTest, EitherRootServesButTheyMustAgree) {
  const auto config = Load({"kitti_config.root_directory_path =", "image_directory_path = /other"});
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->kitti_config().root_directory_path(), "/other");
  for (const char* same : {"/data//", "/data/.", "/./data", "data"}) {
    EXPECT_THAT(Load({absl::StrCat("image_directory_path = ", same)}), IsOk()) << same;
  }
  EXPECT_THAT(Load({"image_directory_path = /data"}), IsOk());
  EXPECT_THAT(
      ProblemsOf({"image_directory_path = /other"}),
      ElementsAre(HasSubstr("is \"/other\", but kitti_config.root_directory_path is \"/data/\"")));
  EXPECT_THAT(ProblemsOf({"kitti_config.root_directory_path ="}),
              ElementsAre(HasSubstr("kitti_config.root_directory_path is missing")));
  EXPECT_THAT(Load({"kitti_config.root_directory_path ="}, nullptr, /*root_given=*/true), IsOk());
}

TEST(LoadDatasetExportTest, NamesValuesOutOfRange) {
  EXPECT_THAT(
      ProblemsOf({"kitti_config.val_split = 101", "kitti_config.num_shards = 21",
                  "kitti_config.image_extension = .bmp", "kitti_config.partition_mode = randm",
                  "kitti_config.label_dir_name =", "target_class_mapping[a] = \"\"",
                  "target_class_mapping[Van] = x", "target_class_mapping[van] = y"}),
      ElementsAre(HasSubstr("target_class_mapping[\"a\"] is empty"),
                  HasSubstr("target_class_mapping[\"van\"] is \"y\", but another key"),
                  HasSubstr("label_dir_name is missing"),
                  HasSubstr("is \".bmp\"; expected one of .png, .jpg, .jpeg"),
                  HasSubstr("num_shards is 21; expected a number in [0, 20]"),
                  HasSubstr("val_split is 101; expected a number in [0, 100]"),
                  HasSubstr("is \"randm\"; expected one of random, sequence; did you mean "
                            "'random'?")));
}

TEST(LoadDatasetExportTest, BlanksAloneAreNoClass) {
  EXPECT_THAT(ProblemsOf({"target_class_mapping[a] = \"  \"", "target_class_mapping[\" \"] = b"}),
              UnorderedElementsAre(
                  HasSubstr("target_class_mapping[\"a\"] is blank; expected a class of the"),
                  HasSubstr("target_class_mapping[\" \"] has an empty key")));
}

TEST(LoadDatasetExportTest, FoldersStayBelowTheRoot) {
  EXPECT_THAT(
      ProblemsOf({"kitti_config.image_dir_name = /etc", "kitti_config.label_dir_name = a/../../b"}),
      ElementsAre(HasSubstr("is \"/etc\"; expected a path below the root folder"),
                  HasSubstr("is \"a/../../b\"; expected")));
  EXPECT_THAT(Load({"kitti_config.image_dir_name = training/image..2"}), IsOk());
}

TEST(LoadDatasetExportTest, CocoIsUnimplementedByName) {
  EXPECT_THAT(
      LoadDatasetExport("coco_config { root_directory_path: '/d' }", "s", {}, false, nullptr),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("coco_config is not offered yet")));
}

TEST(LoadDatasetExportTest, SequenceModeNeedsItsMapAndMakesTwoFoldsUnlessToldOtherwise) {
  EXPECT_THAT(
      ProblemsOf({"kitti_config.partition_mode = sequence", "kitti_config.num_partitions = 1000"}),
      UnorderedElementsAre(HasSubstr("kitti_config.kitti_sequence_to_frames_file is missing"),
                           HasSubstr("num_partitions is 1000; expected a number in [0, 999]")));
  std::vector<std::string> warnings;
  const auto config = Load({"kitti_config.partition_mode = sequence",
                            "kitti_config.kitti_sequence_to_frames_file = map.json"},
                           &warnings);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->kitti_config().num_partitions(), 2);
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(LoadDatasetExportTest, WarnsOfFieldsOfTheOtherMode) {
  std::vector<std::string> warnings;
  EXPECT_THAT(Load({"kitti_config.kitti_sequence_to_frames_file = map.json"}, &warnings), IsOk());
  EXPECT_THAT(Load({"kitti_config.partition_mode = sequence", "kitti_config.val_split = 20",
                    "kitti_config.kitti_sequence_to_frames_file = map.json"},
                   &warnings),
              IsOk());
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("kitti_sequence_to_frames_file is \"map.json\" and has no effect: "
                                    "only sequence mode"),
                          HasSubstr("val_split is 20 and has no effect: sequence mode")));
}

TEST(LoadDatasetExportTest, OfTheSampleModifiersOnlyTheLimitHasAnEffect) {
  std::vector<std::string> warnings;
  EXPECT_THAT(Load({"sample_modifier_config = { max_training_samples: 5 num_duplicates: 2 "
                    "minimum_target_class_imbalance { key: 'a' value: 1 } }"},
                   &warnings),
              IsOk());
  EXPECT_THAT(
      warnings,
      ElementsAre(HasSubstr("minimum_target_class_imbalance has no effect: it goes by class names"),
                  HasSubstr("num_duplicates has no effect")));
}

TEST(LoadDatasetExportTest, NeedsOneKindOfLabels) {
  EXPECT_THAT(LoadDatasetExport("image_directory_path: '/d'", "s", {}, false, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("kitti_config is missing")));
}

TEST(LoadDatasetExportTest, WarnsOfPartitionsThatRandomModeIgnores) {
  std::vector<std::string> warnings;
  const auto config = Load({"kitti_config.num_partitions = 5"}, &warnings);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->kitti_config().num_partitions(), 2);
  EXPECT_THAT(warnings,
              ElementsAre(HasSubstr("num_partitions is 5 and has no effect: random mode")));
  warnings.clear();
  EXPECT_THAT(Load({"kitti_config.num_partitions = 2"}, &warnings), IsOk());
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(ParseDatasetExportTest, AppliesNoDefaults) {
  const auto config = ParseDatasetExport(kSpec, "s", {}, nullptr);
  ASSERT_THAT(config, IsOk());
  EXPECT_FALSE(config->kitti_config().has_num_shards());
  EXPECT_THAT(CheckDatasetExport(*config, false), IsOk());
}

}  // namespace
}  // namespace trainyard
