#include "libs/data/review/prior_fit.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace trainyard::data {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Box RandomBox(Philox& random) {
  const double width = 2 + 60 * random.Uniform() * random.Uniform();
  const double height = 2 + 60 * random.Uniform() * random.Uniform();
  const double x = random.Uniform(-10, 100), y = random.Uniform(-10, 100);
  return {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
          static_cast<float>(y + height)};
}

// Kills: a search that stops before the best prior, or that looks to one side of the box's area alone.
TEST(BestPriorTest, FindsWhatComparingAllFinds) {
  Philox random(1, 0, 0, RandomPurpose::kOrder);
  std::vector<Box> priors;
  for (int i = 0; i < 400; ++i) priors.push_back(RandomBox(random));
  priors.push_back({5, 5, 5, 9});  // Empty.
  const BestPrior best(priors);
  for (int i = 0; i < 500; ++i) {
    const Box box = RandomBox(random);
    float expected = 0;
    for (const Box& prior : priors) expected = std::max(expected, IoU(box, prior));
    EXPECT_FLOAT_EQ(static_cast<float>(best.IoUWith(box)), expected);
  }
  EXPECT_EQ(best.IoUWith({3, 3, 3, 8}), 0);
}

// By hand: the input is half as wide as the picture and as high. Two priors of 10 x 10 and 20 x 20.
// Kills: boxes in pixels of the picture, width and height exchanged, a recall that leaves out IoU 0.5
// exactly, quantiles of unsorted values, "smaller" by one side.
TEST(FitPriorsTest, ComparesInPixelsOfTheInput) {
  const Priors priors{.boxes = {{0, 0, 10, 10}, {20, 0, 40, 20}}, .input = {100, 100}};
  const ReviewFrame frame{.id = "a",
                          .size = {200, 100},
                          .boxes = {{"car", {0, 0, 20, 10}},       // 10 x 10: IoU 1
                                    {"car", {0, 0, 200, 100}},     // 100 x 100: 400 / 10000
                                    {"car", {0, 0, 20, 5}},        // 10 x 5: 0.5
                                    {"car", {120, 50, 124, 52}},   // 2 x 2, overlaps nothing
                                    {"van", {40, 0, 80, 20}},      // the second prior
                                    {"van", {-40, 0, 20, 10}},     // clipped: the first prior
                                    {"van", {300, 0, 340, 10}}}};  // outside: not counted
  const std::vector<PriorFit> fits = FitPriors({&frame, 1}, priors, 2);
  ASSERT_THAT(fits, SizeIs(2));
  const PriorFit& car = fits[0];
  EXPECT_EQ(car.class_name, "car");
  EXPECT_EQ(car.boxes, 4);
  EXPECT_EQ(car.matched, 2);
  EXPECT_EQ(car.recall(), 0.5);
  // 10 x 5 and 2 x 2 have less than 100 pixels.
  EXPECT_EQ(car.smaller, 2);
  EXPECT_EQ(car.larger, 1);
  EXPECT_EQ(car.iou_p10, 0);
  EXPECT_EQ(car.iou_p50, 0.5);
  EXPECT_EQ(car.iou_p90, 1);
  EXPECT_EQ(fits[1].class_name, "van");
  EXPECT_EQ(fits[1].boxes, 2);
  EXPECT_EQ(fits[1].recall(), 1);
}

TEST(FitPriorsTest, WithoutPriorsThereIsNothingToSay) {
  const ReviewFrame frame{.id = "a", .size = {10, 10}, .boxes = {{"car", {0, 0, 5, 5}}}};
  EXPECT_THAT(FitPriors({&frame, 1}, {}, 1), IsEmpty());
}

}  // namespace
}  // namespace trainyard::data
