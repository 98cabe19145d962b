#include "libs/data/augmentation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <opencv2/imgproc.hpp>
#include <random>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using testing::BoxAround;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::PaintBox;
using testing::PixelAt;
using testing::PlainPicture;
using testing::Rgb;
using ::testing::SizeIs;
using testing::StatusIs;

constexpr Rgb kBlue = {20, 20, 230};
constexpr Rgb kWhite = {250, 250, 250};

// Nothing but the resize.
AugmentationOptions Off() {
  return {.crop_min_scale = 1,
          .crop_max_scale = 1,
          .zoom_out_min_scale = 1,
          .zoom_out_max_scale = 1,
          .brightness = 0,
          .contrast = 0,
          .saturation = 0,
          .hue = 0,
          .random_flip = 0};
}

Philox Stream(uint64_t sample) { return {7, 0, sample, RandomPurpose::kAugmentation}; }

AugmentedImage Process(const Tensor& picture, const std::vector<LabelledBox>& boxes,
                       const AugmentationOptions& options, uint64_t sample, int64_t width = 96,
                       int64_t height = 96) {
  Philox random = Stream(sample);
  auto result = AugmentImage(picture, boxes, options, width, height, random);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : AugmentedImage{};
}

TEST(AugmentImageTest, WithAllOffOnlyResizes) {
  Tensor picture = PlainPicture(80, 40, kWhite);
  PaintBox(picture, {10, 10, 30, 20}, kBlue);
  const AugmentedImage result =
      Process(picture, {{{10, 10, 30, 20}, 3, false}}, Off(), 1, 160, 120);
  EXPECT_EQ(result.image.shape(), (Shape{120, 160, 3}));
  ASSERT_THAT(result.boxes, SizeIs(1));
  EXPECT_EQ(result.boxes[0].box, (Box{20, 30, 60, 60}));
  EXPECT_EQ(result.boxes[0].class_id, 3);
  EXPECT_EQ(PixelAt(result.image, 40, 45), kBlue);
  EXPECT_EQ(PixelAt(result.image, 100, 100), kWhite);
}

TEST(AugmentImageTest, IsAFunctionOfItsStream) {
  Tensor picture = PlainPicture(80, 60, kWhite);
  PaintBox(picture, {10, 10, 50, 40}, kBlue);
  const std::vector<LabelledBox> boxes = {{{10, 10, 50, 40}, 1, false}};
  int different = 0;
  for (uint64_t sample = 0; sample < 20; ++sample) {
    const AugmentedImage a = Process(picture, boxes, {}, sample);
    const AugmentedImage b = Process(picture, boxes, {}, sample);
    const AugmentedImage c = Process(picture, boxes, {}, sample + 1);
    EXPECT_EQ(memcmp(a.image.raw(), b.image.raw(), 96 * 96 * 3), 0);
    different += memcmp(a.image.raw(), c.image.raw(), 96 * 96 * 3) != 0;
  }
  EXPECT_GE(different, 19);
}

// A picture whose red is x and whose green is y: its pixels say which part of it is seen, whatever
// filter resized it, since all of them keep a slope.
Tensor Map(int64_t width, int64_t height) {
  Tensor picture = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  auto pixels = picture.data<uint8_t>();
  for (int64_t i = 0; i < width * height; ++i) {
    pixels[static_cast<size_t>(3 * i)] = static_cast<uint8_t>(i % width);
    pixels[static_cast<size_t>(3 * i + 1)] = static_cast<uint8_t>(i / width);
  }
  return picture;
}

// The part of a Map that fills `seen`, from the slope between its quarters; x1 > x2 when mirrored.
Box PartOf(const Tensor& seen) {
  const auto line = [&seen](int channel, bool along_x) {
    const int64_t length = seen.dim(along_x ? 1 : 0), across = seen.dim(along_x ? 0 : 1) / 2;
    const auto value = [&](int64_t at) {
      return static_cast<float>(along_x ? PixelAt(seen, at, across)[static_cast<size_t>(channel)]
                                        : PixelAt(seen, across, at)[static_cast<size_t>(channel)]);
    };
    const int64_t low = length / 4, high = 3 * length / 4;
    const float slope = (value(high) - value(low)) / static_cast<float>(high - low);
    const float begin = value(low) + 0.5f - slope * (static_cast<float>(low) + 0.5f);
    return std::pair(begin, begin + slope * static_cast<float>(length));
  };
  const auto [x1, x2] = line(0, true);
  const auto [y1, y2] = line(1, false);
  return {x1, y1, x2, y2};
}

// The rule of the paper with another generator and without anything else: a patch, or the whole.
Box DrawCropOfReference(const Box& object, float side, std::mt19937& random) {
  const auto uniform = [&random](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  while (uniform(0, 1) < 0.857) {
    constexpr float kBounds[] = {0, 0.1f, 0.3f, 0.5f, 0.7f, 0.9f};
    const float bound = kBounds[std::uniform_int_distribution<int>(0, 5)(random)];
    for (int trial = 0; trial < 50; ++trial) {
      const double w = uniform(0.3, 1) * side, h = uniform(0.3, 1) * side;
      const double x = uniform(0, side - w), y = uniform(0, side - h);
      if (w / h < 0.5 || w / h > 2) continue;
      const Box patch{static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + w),
                      static_cast<float>(y + h)};
      if (IoU(patch, object) > bound) return patch;
    }
  }
  return {0, 0, side, side};
}

// How often each of the things that a crop may be happened.
struct CropShares {
  double none = 0, above_30 = 0, above_50 = 0, above_70 = 0;
  void Count(const Box& patch, const Box& object) {
    none += patch.width() > 195 && patch.height() > 195;
    const float iou = IoU(patch, object);
    above_30 += iou > 0.3f;
    above_50 += iou > 0.5f;
    above_70 += iou > 0.7f;
  }
};

TEST(AugmentImageTest, CropsAreDrawnByTheRuleOfThePaper) {
  constexpr int kTrials = 3000;
  const Box object{50, 50, 160, 150};
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  const Tensor picture = Map(200, 200);
  CropShares ours, reference;
  std::mt19937 random(5);
  for (int i = 0; i < kTrials; ++i) {
    const AugmentedImage result =
        Process(picture, {{object, 1, false}}, options, static_cast<uint64_t>(i), 64, 64);
    const Box patch = PartOf(result.image);
    const float ratio = patch.width() / patch.height();
    EXPECT_GT(ratio, 0.46f);
    EXPECT_LT(ratio, 2.17f);
    EXPECT_GT(patch.width(), 58);
    ours.Count(patch, object);
    reference.Count(DrawCropOfReference(object, 200, random), object);
  }
  // Five deviations of a difference of two shares: 5 * sqrt(2 * 0.25 / 3000) = 6.5 per cent.
  const double slack = 0.065 * kTrials;
  EXPECT_NEAR(ours.none, reference.none, slack);
  EXPECT_NEAR(ours.above_30, reference.above_30, slack);
  EXPECT_NEAR(ours.above_50, reference.above_50, slack);
  EXPECT_NEAR(ours.above_70, reference.above_70, slack);
  EXPECT_GT(reference.none, 0.1 * kTrials);
  EXPECT_GT(reference.above_70, 0.07 * kTrials);
}

TEST(AugmentImageTest, TheAspectOfACropStaysWithinItsLimits) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  options.crop_max_scale = 0.9;
  options.crop_min_ar = 1.2;
  options.crop_max_ar = 1.5;
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const Box patch = PartOf(
        Process(Map(200, 200), {{{50, 50, 150, 150}, 1, false}}, options, sample, 64, 64).image);
    if (patch.width() > 190) continue;  // Not cropped.
    EXPECT_GT(patch.width() / patch.height(), 1.13f);
    EXPECT_LT(patch.width() / patch.height(), 1.6f);
  }
}

// Of every box: kept when its centre is in the patch, and then where the patch shows it.
TEST(AugmentImageTest, BoxesFollowACropWhenTheirCentreIsInIt) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  const std::vector<LabelledBox> boxes = {{{10, 20, 60, 90}, 1, false},
                                          {{80, 60, 190, 120}, 2, false},
                                          {{120, 130, 140, 190}, 3, false}};
  int dropped = 0, kept = 0;
  for (uint64_t sample = 0; sample < 300; ++sample) {
    const AugmentedImage result = Process(Map(200, 200), boxes, options, sample, 100, 100);
    const Box patch = PartOf(result.image);
    for (const LabelledBox& b : boxes) {
      const float cx = (b.box.x1 + b.box.x2) / 2, cy = (b.box.y1 + b.box.y2) / 2;
      // Nearer to the edge than the pixels tell.
      const float inside = std::min({cx - patch.x1, patch.x2 - cx, cy - patch.y1, patch.y2 - cy});
      if (std::abs(inside) < 2) continue;
      const auto found =
          std::find_if(result.boxes.begin(), result.boxes.end(),
                       [&](const LabelledBox& r) { return r.class_id == b.class_id; });
      ASSERT_EQ(found != result.boxes.end(), inside > 0) << "sample " << sample;
      inside > 0 ? ++kept : ++dropped;
      if (inside < 0) continue;
      const auto expect = [](float seen, float edge, float begin, float length) {
        // The pixels tell the patch to a pixel or two.
        const float slack = 1 + 150 / length;
        EXPECT_NEAR(seen, std::clamp((edge - begin) * 100 / length, 0.0f, 99.0f), slack);
      };
      expect(found->box.x1, b.box.x1, patch.x1, patch.width());
      expect(found->box.x2, b.box.x2, patch.x1, patch.width());
      expect(found->box.y1, b.box.y1, patch.y1, patch.height());
      expect(found->box.y2, b.box.y2, patch.y1, patch.height());
    }
  }
  EXPECT_GT(dropped, 100);
  EXPECT_GT(kept, 300);
}

// The box is painted, so the pixels say where it must be.
void ExpectBoxesFollowPixels(const AugmentationOptions& options, int trials, float slack) {
  Tensor picture = PlainPicture(120, 90, kWhite);
  const Box painted{30, 25, 75, 65};
  PaintBox(picture, painted, kBlue);
  int kept = 0;
  for (int i = 0; i < trials; ++i) {
    const AugmentedImage result =
        Process(picture, {{painted, 1, false}}, options, static_cast<uint64_t>(i), 200, 150);
    if (result.boxes.empty()) continue;
    ++kept;
    const Box& box = result.boxes[0].box;
    const Box seen = BoxAround(result.image, kBlue);
    EXPECT_NEAR(box.x1, seen.x1, slack) << "trial " << i;
    EXPECT_NEAR(box.y1, seen.y1, slack) << "trial " << i;
    EXPECT_NEAR(box.x2, seen.x2, slack) << "trial " << i;
    EXPECT_NEAR(box.y2, seen.y2, slack) << "trial " << i;
  }
  EXPECT_GT(kept, trials / 2);
}

TEST(AugmentImageTest, BoxesFollowTheZoomOut) {
  AugmentationOptions options = Off();
  options.zoom_out_max_scale = 4;
  // Rounding of the box and half a blurred pixel.
  ExpectBoxesFollowPixels(options, 100, 1.6f);
}

TEST(AugmentImageTest, BoxesFollowTheMirror) {
  AugmentationOptions options = Off();
  options.random_flip = 1;
  const Box painted{10, 20, 30, 40};
  Tensor picture = PlainPicture(100, 80, kWhite);
  PaintBox(picture, painted, kBlue);
  const AugmentedImage result = Process(picture, {{painted, 1, false}}, options, 0, 100, 80);
  ASSERT_THAT(result.boxes, SizeIs(1));
  EXPECT_EQ(result.boxes[0].box, (Box{70, 20, 90, 40}));
  EXPECT_EQ(BoxAround(result.image, kBlue), (Box{70, 20, 90, 40}));
}

TEST(AugmentImageTest, BoxesFollowEverythingTogether) {
  AugmentationOptions options;
  options.brightness = 10;
  options.contrast = 0.1;
  options.saturation = 0.1;
  options.hue = 4;
  // A magnified edge is blurred by up to a pixel of the source, 200 / 120 / 0.3 of the result.
  ExpectBoxesFollowPixels(options, 200, 7.1f);
}

TEST(AugmentImageTest, TheCanvasHasTheMeanColourHalfOfTheTime) {
  AugmentationOptions options = Off();
  options.zoom_out_min_scale = 3;
  options.zoom_out_max_scale = 3;
  constexpr int kTrials = 400;
  int zoomed = 0;
  for (uint64_t sample = 0; sample < kTrials; ++sample) {
    const AugmentedImage result =
        Process(PlainPicture(50, 50, kWhite), {}, options, sample, 90, 90);
    int canvas = 0, white = 0;
    for (int64_t y = 0; y < 90; ++y) {
      for (int64_t x = 0; x < 90; ++x) {
        canvas += PixelAt(result.image, x, y) == Rgb{123, 116, 103};
        white += PixelAt(result.image, x, y) == kWhite;
      }
    }
    if (canvas == 0) continue;
    ++zoomed;
    // A ninth is the picture, in whole pixels: nothing is blurred between it and the canvas.
    EXPECT_NEAR(white, 900, 30);
    EXPECT_EQ(canvas + white, 90 * 90);
  }
  // Five deviations of a fair coin.
  EXPECT_NEAR(zoomed, kTrials / 2, 50);
}

TEST(AugmentImageTest, FactorsOfTheZoomOutAreUniform) {
  AugmentationOptions options = Off();
  options.zoom_out_min_scale = 2;
  options.zoom_out_max_scale = 4;
  double sum = 0, zoomed = 0;
  for (uint64_t sample = 0; sample < 400; ++sample) {
    const Box seen =
        BoxAround(Process(PlainPicture(60, 60, kBlue), {}, options, sample, 120, 120).image, kBlue);
    if (seen.width() > 119) continue;
    EXPECT_NEAR(seen.width(), seen.height(), 1);
    EXPECT_GE(seen.width(), 29);
    EXPECT_LE(seen.width(), 61);
    sum += 120 / seen.width();
    ++zoomed;
  }
  // Uniform in [2, 4]: mean 3, deviation 0.577; five of them over the root of 200.
  EXPECT_NEAR(sum / zoomed, 3, 0.21);
}

TEST(AugmentImageTest, AMirrorComesAsOftenAsItIsAskedFor) {
  for (const double probability : {0.0, 0.3, 1.0}) {
    AugmentationOptions options = Off();
    options.random_flip = probability;
    constexpr int kTrials = 1000;
    int mirrored = 0;
    for (uint64_t sample = 0; sample < kTrials; ++sample) {
      const AugmentedImage result = Process(Map(40, 40), {}, options, sample, 40, 40);
      mirrored += PixelAt(result.image, 0, 0)[0] > 20;
    }
    EXPECT_NEAR(mirrored, probability * kTrials, probability == 0.3 ? 73 : 0);
  }
}

TEST(AugmentImageTest, ResizesByFiveFiltersEquallyOften) {
  Tensor picture = PlainPicture(20, 15, kWhite);
  PaintBox(picture, {3, 4, 11, 9}, kBlue);
  const cv::Mat source(15, 20, CV_8UC3, picture.data<uint8_t>().data());
  std::map<int, int> counts;
  for (uint64_t sample = 0; sample < 1000; ++sample) {
    const AugmentedImage result = Process(picture, {}, Off(), sample, 13, 31);
    int matching = 0;
    for (const int filter : {cv::INTER_NEAREST, cv::INTER_LINEAR, cv::INTER_CUBIC, cv::INTER_AREA,
                             cv::INTER_LANCZOS4}) {
      cv::Mat expected;
      cv::resize(source, expected, {13, 31}, 0, 0, filter);
      if (memcmp(expected.data, result.image.raw(), 13 * 31 * 3) != 0) continue;
      ++matching;
      ++counts[filter];
    }
    ASSERT_EQ(matching, 1) << "sample " << sample;
  }
  EXPECT_THAT(counts, SizeIs(5));
  for (const auto& [filter, count] : counts) EXPECT_NEAR(count, 200, 64) << filter;
}

// Each of the four changes the colours of half of the pictures, and only as far as it may.
TEST(AugmentImageTest, ColoursChangeInHalfOfThePictures) {
  constexpr int kTrials = 400;
  const Rgb colour = {180, 90, 60};
  const auto changed = [&](const AugmentationOptions& options, int most) {
    int count = 0;
    for (uint64_t sample = 0; sample < kTrials; ++sample) {
      const Rgb seen =
          PixelAt(Process(PlainPicture(8, 8, colour), {}, options, sample, 8, 8).image, 4, 4);
      int difference = 0;
      for (size_t c = 0; c < 3; ++c)
        difference = std::max(difference, std::abs(seen[c] - colour[c]));
      EXPECT_LE(difference, most);
      count += difference > 2;
    }
    return count;
  };
  AugmentationOptions brightness = Off(), contrast = Off(), saturation = Off(), hue = Off();
  brightness.brightness = 60;
  contrast.contrast = 0.9;
  saturation.saturation = 0.9;
  hue.hue = 90;
  // Half of them, less those whose draw happens to be small.
  EXPECT_NEAR(changed(brightness, 63), 190, 50);
  EXPECT_NEAR(changed(contrast, 65), 190, 50);
  EXPECT_NEAR(changed(saturation, 110), 190, 50);
  EXPECT_NEAR(changed(hue, 130), 195, 50);
  EXPECT_EQ(changed(Off(), 0), 0);
}

TEST(AugmentImageTest, AnImageWithoutBoxesIsNotCropped) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  Tensor picture = PlainPicture(100, 100, kWhite);
  PaintBox(picture, {0, 0, 10, 10}, kBlue);
  PaintBox(picture, {90, 90, 100, 100}, kBlue);
  for (uint64_t sample = 0; sample < 20; ++sample) {
    EXPECT_EQ(BoxAround(Process(picture, {}, options, sample, 100, 100).image, kBlue),
              (Box{0, 0, 100, 100}));
  }
}

TEST(AugmentImageTest, NeutralBoxesMoveButKeepNoCrop) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  options.random_flip = 1;
  const LabelledBox neutral{.box = {40, 50, 90, 120}, .class_id = 1, .neutral = true};
  for (uint64_t sample = 0; sample < 50; ++sample) {
    const AugmentedImage result = Process(Map(200, 200), {neutral}, options, sample, 200, 200);
    EXPECT_NEAR(PartOf(result.image).width(), -200, 1);
    ASSERT_THAT(result.boxes, SizeIs(1));
    EXPECT_EQ(result.boxes[0].box, (Box{110, 50, 160, 120}));
    EXPECT_TRUE(result.boxes[0].neutral);
  }
}

TEST(AugmentImageTest, VanishingBoxesAreDropped) {
  EXPECT_THAT(Process(PlainPicture(1000, 1000, kWhite), {{{500, 500, 501, 503}, 1, false}}, Off(),
                      0, 64, 64)
                  .boxes,
              IsEmpty());
}

TEST(AugmentImageTest, AFineCheckerboardKeepsItsContrastWhereThePictureIsSeenWhole) {
  // Zoomed out by 4 the canvas would have 33 million pixels; nothing may be coarsened for that.
  AugmentationOptions options = Off();
  options.zoom_out_max_scale = 4;
  Tensor picture = PlainPicture(1920, 1080, {0, 0, 0});
  auto pixels = picture.data<uint8_t>();
  for (int64_t i = 0; i < 1920 * 1080; ++i) {
    if ((i % 1920 + i / 1920) % 2 == 0) std::fill_n(&pixels[static_cast<size_t>(3 * i)], 3, 255);
  }
  int whole = 0;
  for (uint64_t sample = 0; sample < 12; ++sample) {
    const AugmentedImage result = Process(picture, {}, options, sample, 1920, 1080);
    whole += memcmp(result.image.raw(), picture.raw(), 1920 * 1080 * 3) == 0;
  }
  EXPECT_GE(whole, 2);
}

TEST(AugmentImageTest, GiantsKeepTheirBoxes) {
  AugmentationOptions options = Off();
  options.zoom_out_max_scale = 4;
  Tensor picture = PlainPicture(2000, 1500, kWhite);
  PaintBox(picture, {400, 300, 1400, 1200}, kBlue);
  for (uint64_t sample = 0; sample < 6; ++sample) {
    const AugmentedImage result =
        Process(picture, {{{400, 300, 1400, 1200}, 1, false}}, options, sample, 300, 300);
    ASSERT_THAT(result.boxes, SizeIs(1));
    const Box seen = BoxAround(result.image, kBlue);
    EXPECT_GT(IoU(result.boxes[0].box, seen), 0.9f);
  }
}

TEST(AugmentImageTest, RefusesOtherTensorsAndSizes) {
  Philox random = Stream(0);
  EXPECT_THAT(AugmentImage(Tensor::Zeros(DType::kUInt8, {4, 4, 1}), {}, {}, 8, 8, random),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("u8 [4, 4, 1]")));
  EXPECT_THAT(AugmentImage(PlainPicture(4, 4, {}), {}, {}, 0, 8, random),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 x 8")));
}

TEST(CheckAugmentationTest, TakesTheDefaultsAndTheLimits) {
  EXPECT_THAT(CheckAugmentation({}), IsOk());
  EXPECT_THAT(CheckAugmentation(Off()), IsOk());
}

TEST(CheckAugmentationTest, NamesEveryFieldOutOfRange) {
  const AugmentationOptions options = {.crop_min_scale = 0,
                                       .crop_max_scale = 1.5,
                                       .crop_min_ar = 3,
                                       .crop_max_ar = 2,
                                       .zoom_out_min_scale = 0.5,
                                       .zoom_out_max_scale = 4,
                                       .brightness = -1,
                                       .contrast = 1,
                                       .saturation = NAN,
                                       .hue = 181,
                                       .random_flip = 1.1};
  EXPECT_THAT(
      CheckAugmentation(options),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("random_crop_min_scale and random_crop_max_scale are 0 and 1.5"),
                     HasSubstr("random_crop_min_ar and random_crop_max_ar are 3 and 2"),
                     HasSubstr("zoom_out_min_scale and zoom_out_max_scale are 0.5 and 4"),
                     HasSubstr("brightness is -1"), HasSubstr("contrast is 1"),
                     HasSubstr("saturation is nan"), HasSubstr("hue is 181"),
                     HasSubstr("random_flip is 1.1"))));
}

}  // namespace
}  // namespace trainyard::data
