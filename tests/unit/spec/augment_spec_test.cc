#include "libs/spec/augment_spec.h"

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

}  // namespace
}  // namespace trainyard
