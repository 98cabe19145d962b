#include "libs/data/augmentation.h"

#include <cmath>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
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

// The box is painted, so the pixels say where it must be.
void ExpectBoxesFollowPixels(const AugmentationOptions& options, int trials) {
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
    // Interpolation blurs an edge, by a pixel of the source, which may be magnified; rounding and
    // the clip to the last pixel take up to 1.5 more.
    const float slack = 1.5f + 200.0f / 120.0f / 0.3f;
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
  ExpectBoxesFollowPixels(options, 60);
}

TEST(AugmentImageTest, BoxesFollowTheCrop) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  options.crop_min_ar = 0.5;
  ExpectBoxesFollowPixels(options, 60);
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
  ExpectBoxesFollowPixels(options, 200);
}

TEST(AugmentImageTest, TheCanvasHasTheMeanColour) {
  AugmentationOptions options = Off();
  options.zoom_out_min_scale = 3;
  options.zoom_out_max_scale = 3;
  int zoomed = 0;
  for (uint64_t sample = 0; sample < 40; ++sample) {
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
    // A ninth is the picture; its edges are blurred.
    EXPECT_NEAR(white, 900, 250);
    EXPECT_GT(canvas, 6400);
  }
  EXPECT_NEAR(zoomed, 20, 16);
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

TEST(AugmentImageTest, ACropKeepsABoxWhoseCentreItHolds) {
  AugmentationOptions options = Off();
  options.crop_min_scale = 0.3;
  const std::vector<LabelledBox> boxes = {{{0, 0, 20, 20}, 1, false},
                                          {{60, 60, 100, 100}, 2, false}};
  int dropped = 0;
  for (uint64_t sample = 0; sample < 100; ++sample) {
    const AugmentedImage result =
        Process(PlainPicture(100, 100, kWhite), boxes, options, sample, 99, 99);
    dropped += result.boxes.size() < 2;
    for (const LabelledBox& b : result.boxes) {
      EXPECT_GE(b.box.x1, 0);
      EXPECT_GE(b.box.y1, 0);
      EXPECT_LE(b.box.x2, 98);
      EXPECT_LE(b.box.y2, 98);
      EXPECT_GT(b.box.width(), 0);
      EXPECT_GT(b.box.height(), 0);
    }
  }
  EXPECT_GT(dropped, 20);
}

TEST(AugmentImageTest, VanishingBoxesAreDropped) {
  EXPECT_THAT(Process(PlainPicture(1000, 1000, kWhite), {{{500, 500, 501, 503}, 1, false}}, Off(),
                      0, 64, 64)
                  .boxes,
              IsEmpty());
}

TEST(AugmentImageTest, ShrinksGiantsButKeepsTheirBoxes) {
  // 2000 x 1500 zoomed out by 4 would be 48 million pixels.
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
}  // namespace trainyard
