#include "libs/spec/dataset_spec.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"

namespace trainyard::spec {
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

// The guide's sample of COCO, with its own name of the first list.
constexpr char kCocoSpec[] = R"(coco_config {
  root_directory_path: "/d/coco" image_dir_names: ["val2017", "train2017"]
  annotation_files: ["annotations/instances_val2017.json", "annotations/instances_train2017.json"]
  num_partitions: 2 num_shards: [32, 256] } image_directory_path: "/d/coco")";

TEST(LoadDatasetExportTest, TakesTheGuidesSampleOfCoco) {
  std::vector<std::string> warnings;
  const auto config = LoadDatasetExport(kCocoSpec, "s", {}, false, &warnings);
  ASSERT_THAT(config.status(), IsOk());
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_THAT(config->coco_config().img_dir_names(), ElementsAre("val2017", "train2017"));
  EXPECT_THAT(config->coco_config().num_shards(), ElementsAre(32, 256));
  EXPECT_EQ(SpecRoot(*config), "/d/coco");
}

TEST(LoadDatasetExportTest, CocoHasTwoPartitionsOfTenShardsUnlessToldOtherwise) {
  const auto config = LoadDatasetExport(
      "coco_config { img_dir_names: ['a', 'a'] annotation_files: ['a.json', 'b.json'] }", "s", {}, true,
      nullptr);
  ASSERT_THAT(config.status(), IsOk());
  EXPECT_EQ(config->coco_config().num_partitions(), 2);
  EXPECT_THAT(config->coco_config().num_shards(), ElementsAre(10));
}

TEST(LoadDatasetExportTest, ListsOfCocoFitEachOther) {
  const auto problems = [](const std::string& text) {
    return LoadDatasetExport(text, "s", {}, false, nullptr).status();
  };
  EXPECT_THAT(problems("coco_config { }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("coco_config.root_directory_path is missing"),
                             HasSubstr("coco_config.img_dir_names is missing"),
                             HasSubstr("coco_config.annotation_files is missing"))));
  EXPECT_THAT(problems("coco_config { root_directory_path: '/d' img_dir_names: 'a' "
                       "annotation_files: ['a.json', '../b.json', 'a.json'] num_shards: [1, 2, 10001] } "
                       "image_directory_path: '/e'"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("img_dir_names has 1 entries; expected one for each of "
                                       "coco_config.num_partitions 2"),
                             HasSubstr("annotation_files has 3 entries"),
                             HasSubstr("annotation_files[1] is \"../b.json\"; expected a path below"),
                             HasSubstr("annotation_files names a file twice"),
                             HasSubstr("num_shards has 3 entries; expected one for all"),
                             HasSubstr("num_shards[2] is 10001; expected at most 10000"),
                             HasSubstr("image_directory_path is \"/e\", but "
                                       "coco_config.root_directory_path is \"/d\""))));
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
}  // namespace trainyard::spec
