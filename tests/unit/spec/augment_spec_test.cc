#include "libs/spec/augment_spec.h"

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
using testing::IsOk;

constexpr char kSpec[] = "dataset_config { image_path: 'images' label_path: 'labels' }";

std::vector<std::string> ProblemsOf(const std::vector<std::string>& overrides) {
  std::vector<std::string> lines;
  for (const Problem& problem :
       ProblemsFrom(LoadAugment(kSpec, "augment.txt", overrides, nullptr).status())) {
    lines.push_back(absl::StrCat(problem.field, " ", problem.description));
  }
  return lines;
}

TEST(LoadAugmentTest, WhatIsAbsentIsNeutral) {
  const auto config = LoadAugment(kSpec, "augment.txt", {}, nullptr);
  ASSERT_THAT(config, IsOk());
  EXPECT_FALSE(config->has_output_image_width());
  EXPECT_EQ(config->output_image_channel(), 3);
  EXPECT_EQ(config->spatial_config().rotation_config().angle(), 0);
  EXPECT_EQ(config->spatial_config().rotation_config().units(), "degrees");
  EXPECT_EQ(config->color_config().hue_saturation_config().saturation_shift(), 1);
  EXPECT_EQ(config->color_config().contrast_config().contrast(), 0);
  EXPECT_EQ(config->color_config().contrast_config().center(), 127.5f);
  EXPECT_EQ(config->blur_config().size(), 0);
}

TEST(LoadAugmentTest, TakesEveryPart) {
  EXPECT_THAT(LoadAugment(absl::StrCat(kSpec, R"(
      output_image_width: 960 output_image_height: 544 output_image_channel: 3 image_extension: ".jpg"
      spatial_config {
        rotation_config { angle: 10.0 units: "degrees" }
        flip_config { flip_horizontal: true flip_vertical: false }
        shear_config { shear_ratio_x: 0.1 }
        translation_config { translate_x: 8 translate_y: -8 }
      }
      color_config {
        hue_saturation_config { hue_rotation_angle: 25.0 saturation_shift: 1.2 }
        contrast_config { contrast: 0.1 center: 127.5 }
        brightness_config { offset: 25 }
      }
      blur_config { size: 5 std: 1.0 })"),
                          "augment.txt", {}, nullptr),
              IsOk());
}

TEST(LoadAugmentTest, NamesEveryValueOutOfRange) {
  EXPECT_THAT(
      ProblemsOf({"output_image_width = 100", "output_image_channel = 2", "image_extension = .gif",
                  "dataset_config.image_path = ../x",
                  "dataset_config.label_path =", "spatial_config.rotation_config.units = degree",
                  "spatial_config.shear_config = { shear_ratio_x: 2 shear_ratio_y: 0.5 }",
                  "color_config.hue_saturation_config.saturation_shift = -1",
                  "color_config.contrast_config.center = 300",
                  "color_config.brightness_config.offset = 256",
                  "blur_config = { size: 4 std: 0 }"}),
      ElementsAre(
          HasSubstr("output_image_channel is 2"), HasSubstr("is \".gif\""),
          HasSubstr("output_image_height is missing"), HasSubstr("label_path is missing"),
          HasSubstr("is \"../x\"; expected a path below the root"),
          HasSubstr("is \"degree\"; expected one of degrees, radians; did you mean 'degrees'?"),
          HasSubstr("product is 1"), HasSubstr("saturation_shift is -1"),
          HasSubstr("center is 300"), HasSubstr("offset is 256"),
          HasSubstr("size is 4; expected an odd number"), HasSubstr("std is 0; expected above 0")));
}

TEST(LoadAugmentTest, AShearThatFoldsThePictureIsSeenThroughTheRoundingOfFloats) {
  EXPECT_THAT(
      ProblemsOf({"spatial_config.shear_config = { shear_ratio_x: 0.1 shear_ratio_y: 10 }"}),
      ElementsAre(HasSubstr("product is 1")));
}

TEST(LoadAugmentTest, NeedsFolders) {
  const auto result = LoadAugment("blur_config { size: 3 std: 1 }", "augment.txt", {}, nullptr);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("dataset_config is missing"));
}

constexpr char kYaml[] = R"(
data:
  dataset_type: kitti
  image_dir: /data/images
  ann_path: labels
)";

std::vector<std::string> YamlProblemsOf(const std::string& yaml) {
  std::vector<std::string> lines;
  for (const Problem& problem : ProblemsFrom(LoadAugment(yaml, "s.yaml", {}, nullptr).status())) {
    lines.push_back(absl::StrCat(problem.place, " ", problem.field, " ", problem.description));
  }
  return lines;
}

TEST(LoadAugmentTest, ReadsTheYamlOfDataServices) {
  const auto config = LoadAugment(absl::StrCat(kYaml, R"(
  output_image_width: 960
  output_image_height: 544
spatial_aug:
  rotation: {angle: [5, 10.5], units: radians, refine_box: {enabled: false, gt_cache: ""}}
  translation:
    translate_x: [8]
color_aug: {saturation: {saturation_shift: 0.5}}
random_seed: 7
)"),
                                  "s.yaml", {"blur_aug.size = [3]"}, nullptr);
  ASSERT_THAT(config, IsOk());
  const auto& spec = config->data_services();
  EXPECT_EQ(spec.random_seed(), 7);
  EXPECT_EQ(spec.data().dataset_type(), "kitti");
  EXPECT_EQ(spec.data().image_dir(), "/data/images");
  EXPECT_EQ(spec.data().ann_path(), "labels");
  EXPECT_EQ(spec.data().output_image_height(), 544);
  EXPECT_THAT(spec.spatial_aug().rotation().angle(), ElementsAre(5, 10.5f));
  EXPECT_EQ(spec.spatial_aug().rotation().units(), "radians");
  EXPECT_THAT(spec.spatial_aug().translation().translate_x(), ElementsAre(8));
  EXPECT_THAT(spec.color_aug().saturation().saturation_shift(), ElementsAre(0.5f));
  EXPECT_THAT(spec.blur_aug().size(), ElementsAre(3));
}

TEST(LoadAugmentTest, WhatAYamlSpecLeavesOutHasTheDefaultsOfDataServices) {
  const auto config = LoadAugment(
      "data:\n  image_dir: i\n  ann_path: a.json\n  output_image_width: null\n  output_image_height: ???\n"
      "color_aug:\n",
      "s.yaml", {}, nullptr);
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->data_services().random_seed(), 42);
  EXPECT_EQ(config->data_services().data().dataset_type(), "coco");
  EXPECT_FALSE(config->data_services().data().has_output_image_width());
  EXPECT_EQ(config->data_services().spatial_aug().rotation().units(), "degrees");
}

// Services hand a spec on in its canonical text.
TEST(LoadAugmentTest, TheCanonicalTextOfAYamlSpecIsTheSameSpec) {
  const auto config = LoadAugment(absl::StrCat(kYaml, "spatial_aug: {rotation: {angle: [1, 2]}}\n"),
                                  "s.yaml", {}, nullptr);
  ASSERT_THAT(config, IsOk());
  const auto again = LoadAugment(PrintCanonical(*config), "s.txt", {}, nullptr);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->DebugString(), config->DebugString());
}

TEST(LoadAugmentTest, NamesAllThatIsWrongInYamlWithItsPlace) {
  EXPECT_THAT(YamlProblemsOf("data:\n"
                             "  image_dir: ../up\n"
                             "  dataset_typ: kitti\n"
                             "  ann_path: [a, b]\n"
                             "spatial_aug:\n"
                             "  rotation: {angle: [1, x]}\n"
                             "  flip: {flip_horizontal: maybe}\n"
                             "  translation: {translate_x: [1.5]}\n"
                             "  shear: [1]\n"
                             "color_aug: {hue: {hue_rotation_angle: 1}, hue: {}}\n"),
              ElementsAre(HasSubstr("s.yaml:3:3 data.dataset_typ is not a known field; did you mean "
                                    "'dataset_type'?"),
                          HasSubstr("s.yaml:4:13 data.ann_path is a list; expected a scalar"),
                          HasSubstr("s.yaml:6:25 spatial_aug.rotation.angle[1] is x"),
                          HasSubstr("s.yaml:7:27 spatial_aug.flip.flip_horizontal"),
                          HasSubstr("s.yaml:8:31 spatial_aug.translation.translate_x"),
                          HasSubstr("s.yaml:9:10 spatial_aug.shear is a list; expected a mapping"),
                          HasSubstr("s.yaml:10:43 color_aug.hue is there twice"),
                          HasSubstr("s.yaml:2:14 data.image_dir is \"../up\"")));
}

TEST(LoadAugmentTest, NamesEveryValueOfAListThatIsOutOfRange) {
  EXPECT_THAT(
      YamlProblemsOf(absl::StrCat(kYaml, R"(
  output_image_width: 10
spatial_aug: {rotation: {units: degree}, shear: {shear_ratio_x: [2, 3, 4], shear_ratio_y: 0.5}}
color_aug:
  saturation: {saturation_shift: [1, -1]}
  contrast: {contrast: [-2], center: [256]}
  brightness: {offset: [0, 300]}
blur_aug: {size: [3, 4], std: [0]}
)")),
      ElementsAre(HasSubstr("data.output_image_height is missing"),
                  HasSubstr("rotation.units is \"degree\""),
                  HasSubstr("spatial_aug.shear has the ratios 2 and 0.5, whose product is 1"),
                  HasSubstr("saturation_shift holds -1; expected"),
                  HasSubstr("contrast.contrast holds -2"), HasSubstr("contrast.center holds 256"),
                  HasSubstr("brightness.offset holds 300"), HasSubstr("blur_aug.size holds 4"),
                  HasSubstr("blur_aug.std holds 0; expected a number in (0, ")));
}

TEST(LoadAugmentTest, MasksAreUnimplementedByName) {
  EXPECT_THAT(LoadAugment(absl::StrCat(kYaml, "  include_masks: true\n"
                                              "spatial_aug: {rotation: {refine_box: {enabled: true}}}\n"),
                          "s.yaml", {}, nullptr),
              testing::StatusIs(absl::StatusCode::kUnimplemented,
                                ::testing::AllOf(HasSubstr("data.include_masks is not offered yet"),
                                                 HasSubstr("spatial_aug.rotation.refine_box.enabled"))));
}

TEST(LoadAugmentTest, WarnsOfWhatHasNoEffectInYaml) {
  std::vector<std::string> warnings;
  EXPECT_THAT(LoadAugment(absl::StrCat(kYaml, "  batch_size: 8\ngpu_ids: [0]\nnum_gpus: 1\nresults_dir: /r\n"),
                          "s.yaml", {}, &warnings),
              IsOk());
  EXPECT_THAT(warnings, ::testing::UnorderedElementsAre(
                            HasSubstr("data.batch_size has no effect"), HasSubstr("gpu_ids has no effect"),
                            HasSubstr("num_gpus has no effect"), HasSubstr("results_dir has no effect")));
}

// An anchor that doubles nine times over, and one that holds itself.
TEST(LoadAugmentTest, AliasesAreFollowedWithinBounds) {
  std::string yaml = "data: {image_dir: i, ann_path: a}\na0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    absl::StrAppend(&yaml, "a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) absl::StrAppend(&yaml, k == 0 ? "" : ", ", "*a", i - 1);
    absl::StrAppend(&yaml, "]\n");
  }
  absl::StrAppend(&yaml, "spatial_aug: {rotation: {angle: *a9}}\n");
  EXPECT_THAT(LoadAugment(yaml, "s.yaml", {}, nullptr),
              testing::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("s.yaml:")));
  EXPECT_THAT(LoadAugment("data: &d\n  image_dir: i\n  data: *d\nspatial_aug: &s {rotation: *s}\n",
                          "s.yaml", {}, nullptr),
              testing::StatusIs(absl::StatusCode::kInvalidArgument));
  const auto shared = LoadAugment(
      absl::StrCat(kYaml, "x: &r [1, 2]\nspatial_aug: {rotation: {angle: &r2 [1, 2]}, shear: {shear_ratio_x: *r2}}\n"),
      "s.yaml", {}, nullptr);
  EXPECT_THAT(shared, testing::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("x is not a known")));
  const auto fine = LoadAugment(
      absl::StrCat(kYaml, "spatial_aug: {rotation: {angle: &r [1, 2]}, shear: {shear_ratio_x: *r}}\n"),
      "s.yaml", {}, nullptr);
  ASSERT_THAT(fine, IsOk());
  EXPECT_THAT(fine->data_services().spatial_aug().shear().shear_ratio_x(), ElementsAre(1, 2));
}

TEST(LoadAugmentTest, OneFormAtATime) {
  EXPECT_THAT(LoadAugment("data_services { data { image_dir: 'i' ann_path: 'a' } } blur_config { size: 3 }",
                          "s.txt", {}, nullptr),
              testing::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("beside fields of the other form")));
  EXPECT_THAT(LoadAugment("train:\n  num_epochs: 3\ndata:\n  x: 1\n", "s.yaml", {}, nullptr),
              testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("s.yaml:1:1: train is not a known field")));
}

}  // namespace
}  // namespace trainyard::spec
