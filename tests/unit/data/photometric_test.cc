#include "libs/data/internal/photometric.h"

#include <cmath>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"

namespace trainyard::data::internal {
namespace {

constexpr double kNone = NAN;

Photometric Of(double brightness, double contrast, double saturation, double hue, bool last) {
  Photometric p;
  p.contrast_last = last;
  if (!std::isnan(brightness)) p.brightness = brightness;
  if (!std::isnan(contrast)) p.contrast = contrast;
  if (!std::isnan(saturation)) p.saturation = saturation;
  if (!std::isnan(hue)) p.hue = hue;
  return p;
}

cv::Vec3b Apply(const Photometric& p, cv::Vec3b rgb) {
  const cv::Mat source(1, 1, CV_8UC3, cv::Scalar(rgb[0], rgb[1], rgb[2]));
  cv::Mat target(1, 1, CV_8UC3);
  ApplyPhotometric(p, source, target);
  return target.at<cv::Vec3b>(0, 0);
}

TEST(ApplyPhotometricTest, AddsBrightnessAndClips) {
  EXPECT_EQ(Apply(Of(20.4, kNone, kNone, kNone, false), {10, 240, 100}), cv::Vec3b(30, 255, 120));
  EXPECT_EQ(Apply(Of(-20.5, kNone, kNone, kNone, true), {10, 240, 101}),
            cv::Vec3b(0, 220, 80));  // 219.5 and 80.5 round to even.
}

TEST(ApplyPhotometricTest, ContrastTurnsAroundTheMiddle) {
  // 127.5 + 0.5 * (x - 127.5).
  EXPECT_EQ(Apply(Of(kNone, 0.5, kNone, kNone, false), {0, 255, 127}), cv::Vec3b(64, 191, 127));
  EXPECT_EQ(Apply(Of(kNone, 0.5, kNone, kNone, true), {0, 255, 127}), cv::Vec3b(64, 191, 127));
}

TEST(ApplyPhotometricTest, ContrastFirstSeesBrightnessBeforeItIsRounded) {
  // 100 + 0.3 = 100.3; 127.5 + 1.5 * (100.3 - 127.5) = 86.7 -> 87, but from 100: 86.25 -> 86.
  EXPECT_EQ(Apply(Of(0.3, 1.5, kNone, kNone, false), {100, 100, 100})[0], 87);
  EXPECT_EQ(Apply(Of(0.3, 1.5, kNone, kNone, true), {100, 100, 100})[0], 86);
}

TEST(ApplyPhotometricTest, HueGoesAroundTheCircle) {
  // Red is 0 of 180; 60 further is green, 60 back is blue.
  EXPECT_EQ(Apply(Of(kNone, kNone, kNone, 60, false), {255, 0, 0}), cv::Vec3b(0, 255, 0));
  EXPECT_EQ(Apply(Of(kNone, kNone, kNone, -60, false), {255, 0, 0}), cv::Vec3b(0, 0, 255));
  EXPECT_EQ(Apply(Of(kNone, kNone, kNone, -0.3, false), {255, 0, 0}), cv::Vec3b(255, 0, 0));
}

TEST(ApplyPhotometricTest, SaturationScalesTheDistanceFromGrey) {
  // S = 255 * (1 - 100/200) = 127.5, kept as 128; halved 64: the least channel is 200 * (1 -
  // 64/255).
  const cv::Vec3b less = Apply(Of(kNone, kNone, 0.5, kNone, false), {200, 100, 100});
  EXPECT_EQ(less[0], 200);
  EXPECT_NEAR(less[1], 150, 1);
  EXPECT_EQ(Apply(Of(kNone, kNone, 1.5, kNone, false), {90, 90, 90}), cv::Vec3b(90, 90, 90));
}

TEST(ApplyPhotometricTest, AShiftIsAddedToTheSaturation) {
  // S = 127.5, kept as 128; less 64 it is 64: the least channel is 200 * (1 - 64/255).
  Photometric p;
  p.saturation_shift = -64;
  EXPECT_NEAR(Apply(p, {200, 100, 100})[1], 150, 1);
  // Without colour the hue counts as red: 51 of 255 is a fifth.
  p.saturation_shift = 51;
  const cv::Vec3b grey = Apply(p, {100, 100, 100});
  EXPECT_EQ(grey[0], 100);
  EXPECT_NEAR(grey[1], 80, 1);
  EXPECT_NEAR(grey[2], 80, 1);
  p.saturation_shift = -51;
  EXPECT_EQ(Apply(p, {100, 100, 100}), cv::Vec3b(100, 100, 100));
}

TEST(ApplyPhotometricTest, TakesAPictureToo) {
  Tensor picture = Tensor::Of<uint8_t>({1, 2, 3}, {0, 255, 127, 10, 20, 30});
  ASSERT_TRUE(ApplyPhotometric(Of(kNone, 0.5, kNone, kNone, true), picture).ok());
  // 127.5 + 0.5 * (x - 127.5), half to even.
  EXPECT_EQ(picture.data<uint8_t>(),
            absl::MakeConstSpan(std::vector<uint8_t>{64, 191, 127, 69, 74, 79}));
}

TEST(ApplyPhotometricTest, DoesNothingWhenNothingFired) {
  EXPECT_EQ(Apply({}, {1, 2, 3}), cv::Vec3b(1, 2, 3));
}

TEST(ApplyPhotometricTest, MayWorkInPlace) {
  cv::Mat picture(1, 1, CV_8UC3, cv::Scalar(10, 20, 30));
  ApplyPhotometric(Of(5, kNone, 1.0, kNone, false), picture, picture);
  EXPECT_NEAR(picture.at<cv::Vec3b>(0, 0)[0], 15, 1);
}

TEST(DrawPhotometricTest, StaysWithinTheSpansAndFiresHalfTheTime) {
  Philox random(3, 0, 0, RandomPurpose::kAugmentation);
  int fired[5] = {};
  constexpr int kTrials = 4000;
  for (int i = 0; i < kTrials; ++i) {
    const Photometric p = DrawPhotometric(32, 0.5, 0.4, 18, random);
    fired[0] += p.brightness.has_value();
    fired[1] += p.contrast.has_value();
    fired[2] += p.saturation.has_value();
    fired[3] += p.hue.has_value();
    fired[4] += p.contrast_last;
    EXPECT_LE(std::abs(p.brightness.value_or(0)), 32);
    EXPECT_LE(std::abs(p.contrast.value_or(1) - 1), 0.5);
    EXPECT_LE(std::abs(p.saturation.value_or(1) - 1), 0.4);
    EXPECT_LE(std::abs(p.hue.value_or(0)), 18);
  }
  // Five deviations of a fair coin: 5 * sqrt(1000) = 158.
  for (const int count : fired) EXPECT_NEAR(count, kTrials / 2, 158);
}

}  // namespace
}  // namespace trainyard::data::internal
