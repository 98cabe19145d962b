#include "libs/data/internal/augment_draw.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/spec/augment_spec.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data::internal {
namespace {

using spec::augment::v1::AugmentConfig;
using spec::augment::v1::DataServicesConfig;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;
using ::testing::SizeIs;

DataServicesConfig Config(const std::string& augmentations) {
  const auto config = spec::LoadAugment("data: {image_dir: i, ann_path: a}\n" + augmentations,
                                        "s.yaml", {}, nullptr);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? config->data_services() : DataServicesConfig();
}

// What a list of angles comes to for the first hundred images.
std::vector<float> Angles(const std::string& list, const std::string& more = "") {
  const DataServicesConfig config = Config("spatial_aug: {rotation: {angle: " + list + "}" + more + "}\n");
  std::vector<float> angles;
  for (uint64_t i = 0; i < 100; ++i) {
    angles.push_back(DrawAugmentation(config, i).spatial_config().rotation_config().angle());
  }
  return angles;
}

TEST(DrawAugmentationTest, WithoutValuesAllIsNeutral) {
  AugmentConfig neutral;
  spec::ApplyDefaults(&neutral);
  neutral.mutable_color_config()->mutable_contrast_config()->set_center(127);
  const AugmentConfig drawn = DrawAugmentation(
      Config("spatial_aug: {rotation: {angle: []}, shear: {shear_ratio_x: }}\ncolor_aug: {hue: }\n"), 3);
  EXPECT_EQ(drawn.DebugString(), neutral.DebugString());
}

TEST(DrawAugmentationTest, OneValueIsTheValue) {
  EXPECT_THAT(Angles("[12.5]"), ::testing::Each(12.5f));
  EXPECT_THAT(Angles("12.5"), ::testing::Each(12.5f));
}

TEST(DrawAugmentationTest, TwoValuesAreTheEndsOfARange) {
  const std::vector<float> angles = Angles("[10, 20]");
  EXPECT_THAT(angles, ::testing::Each(AllOf(Ge(10), Le(20))));
  // Of a hundred, uniform, about thirty lie in each third.
  for (const float low : {10.0f, 13.33f, 16.67f}) {
    const auto in = [low](float a) { return a >= low && a < low + 3.34f; };
    EXPECT_GT(std::count_if(angles.begin(), angles.end(), in), 15) << low;
  }
  EXPECT_THAT(std::set<float>(angles.begin(), angles.end()), SizeIs(::testing::Gt(90)));
}

TEST(DrawAugmentationTest, ThreeValuesAreAChoice) {
  const std::vector<float> angles = Angles("[1, 5, 90]");
  EXPECT_THAT(std::set<float>(angles.begin(), angles.end()), ElementsAre(1, 5, 90));
}

TEST(DrawAugmentationTest, AFieldIsDrawnForItself) {
  EXPECT_EQ(Angles("[10, 20]"), Angles("[10, 20]", ", shear: {shear_ratio_x: [0, 1], shear_ratio_y: [0, 0.5]}"));
}

TEST(DrawAugmentationTest, TheSeedTellsWhatIsDrawn) {
  DataServicesConfig config = Config("color_aug: {brightness: {offset: [-100, 100]}}\nrandom_seed: 7\n");
  const auto offset = [&config] {
    return DrawAugmentation(config, 5).color_config().brightness_config().offset();
  };
  const float first = offset();
  EXPECT_EQ(offset(), first);
  config.set_random_seed(8);
  EXPECT_NE(offset(), first);
}

TEST(DrawAugmentationTest, WholeNumbersReachBothEndsAndKernelsStayOdd) {
  const DataServicesConfig config = Config(
      "spatial_aug: {translation: {translate_x: [-1, 1], translate_y: [3, 1]}}\n"
      "blur_aug: {size: [3, 7], std: [1, 2]}\n");
  std::set<float> x, y;
  std::set<uint32_t> sizes;
  for (uint64_t i = 0; i < 200; ++i) {
    const AugmentConfig drawn = DrawAugmentation(config, i);
    x.insert(drawn.spatial_config().translation_config().translate_x());
    y.insert(drawn.spatial_config().translation_config().translate_y());
    sizes.insert(drawn.blur_config().size());
    EXPECT_THAT(drawn.blur_config().std(), AllOf(Ge(1), Le(2)));
  }
  EXPECT_THAT(x, ElementsAre(-1, 0, 1));
  EXPECT_THAT(y, ElementsAre(1, 2, 3));
  EXPECT_THAT(sizes, ElementsAre(3, 5, 7));
}

TEST(DrawAugmentationTest, EveryFieldGoesWhereItBelongs) {
  const AugmentConfig drawn = DrawAugmentation(Config(R"(
spatial_aug:
  rotation: {angle: [1], units: radians}
  flip: {flip_horizontal: yes, flip_vertical: True}
  shear: {shear_ratio_x: [0.2], shear_ratio_y: [0.3]}
  translation: {translate_x: [4], translate_y: [-5]}
color_aug:
  hue: {hue_rotation_angle: [6]}
  saturation: {saturation_shift: [0.7]}
  contrast: {contrast: [0.8], center: [90]}
  brightness: {offset: [10]}
blur_aug: {size: [5], std: [1.5]}
)"), 0);
  const auto& spatial = drawn.spatial_config();
  EXPECT_EQ(spatial.rotation_config().angle(), 1);
  EXPECT_EQ(spatial.rotation_config().units(), "radians");
  EXPECT_TRUE(spatial.flip_config().flip_horizontal());
  EXPECT_TRUE(spatial.flip_config().flip_vertical());
  EXPECT_EQ(spatial.shear_config().shear_ratio_x(), 0.2f);
  EXPECT_EQ(spatial.shear_config().shear_ratio_y(), 0.3f);
  EXPECT_EQ(spatial.translation_config().translate_x(), 4);
  EXPECT_EQ(spatial.translation_config().translate_y(), -5);
  const auto& color = drawn.color_config();
  EXPECT_EQ(color.hue_saturation_config().hue_rotation_angle(), 6);
  EXPECT_EQ(color.hue_saturation_config().saturation_shift(), 0.7f);
  EXPECT_EQ(color.contrast_config().contrast(), 0.8f);
  EXPECT_EQ(color.contrast_config().center(), 90);
  EXPECT_EQ(color.brightness_config().offset(), 10);
  EXPECT_EQ(drawn.blur_config().size(), 5);
  EXPECT_EQ(drawn.blur_config().std(), 1.5f);
}

}  // namespace
}  // namespace trainyard::data::internal
