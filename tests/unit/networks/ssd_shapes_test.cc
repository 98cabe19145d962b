#include "libs/networks/ssd/ssd_shapes.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/anchors.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {

using data::BoxShape;
namespace {

using ::testing::Contains;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using testing::IsOk;

// Objects of an input of 160 x 160: squares of 20, and wide ones of 60 x 20 and tall ones of 30 x 60.
std::vector<BoxShape> Objects() {
  std::vector<BoxShape> objects;
  for (int i = -4; i <= 4; ++i) {
    const double scale = 1 + 0.03 * i;
    objects.push_back({20 * scale, 20 * scale});
    objects.push_back({60 * scale, 20 * scale});
    objects.push_back({30 * scale, 60 * scale});
  }
  return objects;
}

TEST(ShapesTest, FitIsTheOverlapAtTheMeanDistance) {
  SsdShapes shapes;
  shapes.scales.fill(0.2);
  shapes.ratios.fill({1.0});
  // On the finest map centres are 2 pixels apart on both axes: 18 * 18 of 2 * 400 - 324.
  EXPECT_NEAR(FitOf(shapes, std::vector<BoxShape>{{20, 20}}, 100), 324.0 / 476, 1e-9);
  // A box of 4 pixels lies within one of 20, whatever the 2 pixels.
  EXPECT_NEAR(FitOf(shapes, std::vector<BoxShape>{{4, 4}}, 100), 16.0 / 400, 1e-9);
  EXPECT_EQ(FitOf(shapes, {}, 100), 0);
}

TEST(ShapesTest, FitCountsTheSecondSquare) {
  SsdShapes shapes;
  shapes.scales = {0.1, 0.4, 0.9, 0.9, 0.9, 0.9, 0.9};
  shapes.ratios.fill({1.0});
  // sqrt(0.1 * 0.4) * 1000 = 200 on the finest map: 198 * 198 of 2 * 40000 - 198 * 198.
  EXPECT_NEAR(FitOf(shapes, std::vector<BoxShape>{{200, 200}}, 1000), 39204.0 / 40796, 1e-9);
}

TEST(ShapesTest, ChosenOnesFitBetterThanTheUsualOnes) {
  const std::vector<BoxShape> objects = Objects();
  const SsdShapes shapes = ChooseShapes(objects, 160, 1);
  EXPECT_GT(FitOf(shapes, objects, 160), FitOf(UsualShapes(), objects, 160) + 0.05);
  EXPECT_GT(FitOf(shapes, objects, 160), 0.6);
}

TEST(ShapesTest, RatiosAreThoseOfTheClusters) {
  const SsdShapes shapes = ChooseShapes(Objects(), 160, 1);
  bool has_wide = false, has_tall = false;
  for (const std::vector<double>& ratios : shapes.ratios) {
    EXPECT_EQ(ratios.front(), 1.0);
    has_wide |= std::any_of(ratios.begin(), ratios.end(),
                            [](double ratio) { return std::abs(ratio - 3) < 0.01; });
    has_tall |= std::any_of(ratios.begin(), ratios.end(),
                            [](double ratio) { return std::abs(ratio - 0.5) < 0.01; });
    EXPECT_GE(*std::max_element(ratios.begin(), ratios.end()), 1.4);
    EXPECT_LE(*std::min_element(ratios.begin(), ratios.end()), 0.71);
  }
  EXPECT_TRUE(has_wide);
  EXPECT_TRUE(has_tall);
}

TEST(ShapesTest, ScalesGrowAndTheSpecTakesThem) {
  for (const double size : {2.0, 20.0, 150.0, 400.0}) {
    const std::vector<BoxShape> objects(7, BoxShape{size, size / 2});
    const SsdShapes shapes = ChooseShapes(objects, 160, 1);
    EXPECT_TRUE(std::is_sorted(shapes.scales.begin(), shapes.scales.end()));
    spec::ssd::v1::SSDConfig config;
    config.set_scales(ScalesText(shapes));
    config.set_aspect_ratios(RatiosText(shapes));
    config.set_variances("[0.1, 0.1, 0.2, 0.2]");
    const auto lists = ListsOf(config);
    ASSERT_THAT(lists, IsOk()) << ScalesText(shapes) << RatiosText(shapes);
    EXPECT_NEAR(lists->scales[0], shapes.scales[0], 1e-9);
    EXPECT_EQ(lists->aspect_ratios[5].size(), shapes.ratios[5].size());
  }
}

TEST(ShapesTest, AClassOfFewObjectsCountsByItsWeight) {
  // A thousand large objects and ten small ones, which count as much.
  std::vector<BoxShape> objects(1000, BoxShape{80, 80, 1.0 / 1000});
  objects.insert(objects.end(), 10, BoxShape{12, 12, 1.0 / 10});
  const SsdShapes shapes = ChooseShapes(objects, 160, 1);
  EXPECT_LT(shapes.scales[0], 0.12);
}

}  // namespace
}  // namespace trainyard::networks
