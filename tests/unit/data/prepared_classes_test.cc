#include "libs/data/prepared_classes.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/data/class_truth.h"
#include "libs/data/loader.h"
#include "libs/data/preprocess.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using model::v1::Preprocess;
using ::testing::ElementsAre;
using testing::FakeSource;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::PlainPicture;
using testing::StatusIs;

constexpr int kWidth = 24, kHeight = 16;

Preprocess Input(Preprocess::Order order = Preprocess::RGB) {
  Preprocess p;
  p.set_width(kWidth);
  p.set_height(kHeight);
  p.set_order(order);
  p.set_scale(1);
  for (int c = 0; c < (order == Preprocess::GRAY ? 1 : 3); ++c) p.add_mean(0);
  return p;
}

Tensor Noise(int64_t width, int64_t height) {
  Tensor picture = PlainPicture(width, height, {});
  Philox random(1, 0, 0, RandomPurpose::kSampleData);
  for (uint8_t& v : picture.data<uint8_t>()) v = static_cast<uint8_t>(random());
  return picture;
}

Sample Labelled(Tensor picture, int class_id) {
  return {.id = "images/cat/1.png",
          .image = std::move(picture),
          .truth = std::make_shared<const ClassTruth>(class_id)};
}

std::shared_ptr<const PreparedSource> Prepared(std::vector<Sample> samples,
                                               ClassPreparation preparation) {
  auto prepared =
      PrepareClasses(std::make_shared<FakeSource>(std::move(samples)), std::move(preparation));
  EXPECT_THAT(prepared, IsOk());
  return *std::move(prepared);
}

Philox Stream(uint64_t sample) { return Philox(7, 0, sample, RandomPurpose::kAugmentation); }

// What the network sees of a picture with the numbers of a stream.
std::vector<float> Seen(const Tensor& picture, std::optional<ClassAugmentation> augmentation,
                        const Preprocess& preprocess, Philox random) {
  const auto source = Prepared({Labelled(picture, 0)}, {augmentation, preprocess, 2});
  std::vector<float> input(static_cast<size_t>(ChannelsOf(preprocess) * kWidth * kHeight));
  EXPECT_THAT(source->Prepare(0, random, absl::MakeSpan(input)), IsOk());
  return input;
}

// The documented draws, in their order.
struct Draws {
  explicit Draws(Philox random)
      : mirrored(random.Uniform() >= 0.5),
        part(random.Uniform(0.45, 1)),
        left(random.Uniform()),
        top(random.Uniform()),
        degrees(random.Uniform(-25, 25)),
        saturation(random.Uniform(-0.2, 0.2)),
        contrast(random.Uniform(0.9, 1.1)) {}
  bool mirrored;
  double part, left, top, degrees, saturation, contrast;
};

cv::Mat Floats(Tensor picture) {
  const cv::Mat bytes(int(picture.dim(0)), int(picture.dim(1)), CV_8UC3,
                      picture.data<uint8_t>().data());
  cv::Mat floats;
  bytes.convertTo(floats, CV_32FC3);
  return floats;
}

// The whole picture scaled by OpenCV, cut, mirrored.
cv::Mat RandomPart(const Tensor& picture, const Draws& draws, int interpolation) {
  const auto w = static_cast<double>(picture.dim(1)), h = static_cast<double>(picture.dim(0));
  const double ratio = std::max(kWidth / draws.part / w, kHeight / draws.part / h);
  const cv::Size scaled(static_cast<int>(w * ratio), static_cast<int>(h * ratio));
  cv::Mat all;
  cv::resize(Floats(picture), all, scaled, 0, 0, interpolation);
  const int x = static_cast<int>(draws.left * (scaled.width - kWidth + 1));
  const int y = static_cast<int>(draws.top * (scaled.height - kHeight + 1));
  cv::Mat part = all(cv::Rect(x, y, kWidth, kHeight)).clone();
  if (draws.mirrored) cv::flip(part, part, 1);
  return part;
}

// Colours on floats, hue and saturation apart.
cv::Vec3f Recoloured(cv::Vec3f rgb, const Draws& draws) {
  cv::Mat pixel(1, 1, CV_32FC3, cv::Scalar(rgb[0] / 255, rgb[1] / 255, rgb[2] / 255));
  cv::cvtColor(pixel, pixel, cv::COLOR_RGB2HSV);
  auto& hsv = pixel.at<cv::Vec3f>(0, 0);
  hsv[0] = static_cast<float>(std::fmod(hsv[0] + draws.degrees + 360, 360));
  hsv[1] = static_cast<float>(std::clamp(hsv[1] + draws.saturation, 0.0, 1.0));
  cv::cvtColor(pixel, pixel, cv::COLOR_HSV2RGB);
  cv::Vec3f result = pixel.at<cv::Vec3f>(0, 0);
  for (int c = 0; c < 3; ++c) {
    result[c] =
        static_cast<float>(255 * std::clamp((result[c] - 0.5) * draws.contrast + 0.5, 0.0, 1.0));
  }
  return result;
}

void ExpectNear(const std::vector<float>& planes, const cv::Mat& rgb, float tolerance) {
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        const auto i = static_cast<size_t>((c * kHeight + y) * kWidth + x);
        ASSERT_NEAR(planes[i], rgb.at<cv::Vec3f>(y, x)[c], tolerance)
            << c << " at " << x << ", " << y;
      }
    }
  }
}

TEST(PrepareClassesTest, ABatchHasTheClassesOfItsPictures) {
  const auto source = Prepared(
      {Labelled(PlainPicture(9, 9, {1, 2, 3}), 2), Labelled(PlainPicture(5, 8, {4, 5, 6}), 0),
       Labelled(PlainPicture(7, 7, {7, 8, 9}), 1)},
      {.preprocess = Input(), .classes = 3});
  auto loader = BatchLoader::Create(source, {.batch_size = 3, .end_epoch = 1});
  ASSERT_THAT(loader, IsOk());
  const auto batch = (*loader)->Next();
  ASSERT_THAT(batch, IsOk());
  ASSERT_EQ(batch->targets.size(), 1u);
  EXPECT_EQ(batch->targets[0].shape(), Shape{3});
  std::vector<int32_t> expected;
  const int32_t classes[] = {2, 0, 1};
  for (size_t i = 0; i < 3; ++i) {
    expected.push_back(classes[batch->indices[i]]);
    const auto* const seen = dynamic_cast<const ClassTruth*>(batch->samples[i].seen.get());
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(seen->class_id, expected[i]);
    EXPECT_EQ(batch->samples[i].sample.image.size(), 0);
  }
  EXPECT_EQ(batch->targets[0].data<int32_t>(), absl::MakeConstSpan(expected));
}

TEST(PrepareClassesTest, WithoutAugmentationPicturesArePreprocessedAndNothingIsDrawn) {
  const Tensor picture = Noise(50, 30);
  Preprocess p = Input(Preprocess::BGR);
  p.set_resize(Preprocess::CENTER_CROP);
  p.set_crop_margin(4);
  const auto source = Prepared({Labelled(picture, 1)}, {.preprocess = p, .classes = 2});
  std::vector<float> seen(3 * kWidth * kHeight), expected(seen.size());
  Philox random = Stream(0), same = Stream(0);
  const auto prepared = source->Prepare(0, random, absl::MakeSpan(seen));
  ASSERT_THAT(prepared, IsOk());
  ASSERT_THAT(PreprocessImage(picture, p, absl::MakeSpan(expected)), IsOk());
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(prepared->size, (ImageSize{.width = 50, .height = 30}));
  EXPECT_EQ(random(), same());
}

TEST(ClassAugmentationTest, MirrorsHalfOfThePictures) {
  const Tensor picture = Noise(kWidth, kHeight);
  cv::Mat mirrored;
  cv::flip(Floats(picture), mirrored, 1);
  int count = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const std::vector<float> seen = Seen(picture, ClassAugmentation{}, Input(), Stream(i));
    const bool is_mirrored = Draws(Stream(i)).mirrored;
    ExpectNear(seen, is_mirrored ? mirrored : Floats(picture), 0);
    count += is_mirrored;
  }
  EXPECT_NEAR(count, 50, 25);
  const ClassAugmentation none{.horizontal_flip = false};
  for (uint64_t i = 0; i < 8; ++i) {
    ExpectNear(Seen(picture, none, Input(), Stream(i)), Floats(picture), 0);
  }
}

TEST(ClassAugmentationTest, WithoutARandomCropThePictureIsScaledAsTheRecordSays) {
  const Tensor picture = Noise(50, 30);
  Preprocess p = Input();
  p.set_resize(Preprocess::CENTER_CROP);
  p.set_crop_margin(4);
  EXPECT_EQ(Seen(picture, ClassAugmentation{.horizontal_flip = false}, p, Stream(0)),
            Seen(picture, std::nullopt, p, Stream(0)));
}

TEST(ClassAugmentationTest, CutsRandomPartsOfTheScaledPicture) {
  const ClassAugmentation augmentation{.random_crop = true};
  for (const auto& [width, height] : {std::pair{60, 31}, {21, 90}, {24, 16}, {7, 5}}) {
    const Tensor picture = Noise(width, height);
    for (uint64_t i = 0; i < 20; ++i) {
      SCOPED_TRACE(i);
      const Draws draws(Stream(i));
      ExpectNear(Seen(picture, augmentation, Input(), Stream(i)),
                 RandomPart(picture, draws, cv::INTER_LINEAR), 0.255f);
      Preprocess bicubic = Input();
      bicubic.set_interpolation(Preprocess::BICUBIC);
      // The part takes the place of the middle.
      bicubic.set_resize(Preprocess::CENTER_CROP);
      ExpectNear(Seen(picture, augmentation, bicubic, Stream(i)),
                 RandomPart(picture, draws, cv::INTER_CUBIC), 0.255f);
    }
  }
}

TEST(ClassAugmentationTest, ChangesHueSaturationAndContrast) {
  const ClassAugmentation augmentation{.random_crop = true, .color = true};
  for (const testing::Rgb& colour :
       {testing::Rgb{200, 90, 60}, {40, 180, 120}, {90, 70, 220}, {250, 240, 235}}) {
    const Tensor picture = PlainPicture(40, 30, colour);
    for (uint64_t i = 0; i < 20; ++i) {
      SCOPED_TRACE(i);
      const std::vector<float> seen = Seen(picture, augmentation, Input(), Stream(i));
      const cv::Vec3f rgb =
          Recoloured({float(colour[0]), float(colour[1]), float(colour[2])}, Draws(Stream(i)));
      // 8-bit hues are two degrees apart: rounded twice, up to two degrees of 60 off.
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(seen[c * kWidth * kHeight], rgb[static_cast<int>(c)], 9) << c;
      }
    }
  }
}

TEST(ClassAugmentationTest, ColoursFollowTheOrderMeanAndStdOfTheInput) {
  const Tensor picture = PlainPicture(40, 30, {200, 90, 60});
  const ClassAugmentation augmentation{.random_crop = true, .color = true};
  Preprocess p = Input(Preprocess::BGR);
  p.set_mean(0, 10);
  for (const float std : {2.0f, 1.0f, 1.0f}) p.add_std(std);
  const std::vector<float> rgb = Seen(picture, augmentation, Input(), Stream(3));
  const std::vector<float> seen = Seen(picture, augmentation, p, Stream(3));
  const size_t plane = kWidth * kHeight;
  EXPECT_EQ(seen[0], (rgb[2 * plane] - 10) / 2);
  EXPECT_EQ(seen[2 * plane], rgb[0]);
}

TEST(ClassAugmentationTest, ColoursChangeOfRandomPartsWithThreeChannelsAlone) {
  const Tensor picture = Noise(50, 30);
  const Preprocess grey = Input(Preprocess::GRAY);
  EXPECT_EQ(Seen(picture, ClassAugmentation{.color = true}, Input(), Stream(1)),
            Seen(picture, ClassAugmentation{}, Input(), Stream(1)));
  EXPECT_EQ(Seen(picture, ClassAugmentation{.random_crop = true, .color = true}, grey, Stream(1)),
            Seen(picture, ClassAugmentation{.random_crop = true}, grey, Stream(1)));
}

TEST(ClassAugmentationTest, DrawsSevenNumbersWhateverThePictureIs) {
  Philox expected = Stream(5);
  for (int i = 0; i < 7; ++i) expected.Uniform();
  const uint32_t next = expected();
  for (const ClassAugmentation& augmentation :
       {ClassAugmentation{.horizontal_flip = false}, ClassAugmentation{},
        ClassAugmentation{.random_crop = true, .color = true}}) {
    for (const auto& [width, height] : {std::pair{300, 2}, {24, 16}, {1, 1}}) {
      const auto source = Prepared({Labelled(PlainPicture(width, height, {9, 9, 9}), 0)},
                                   {augmentation, Input(), 2});
      Philox random = Stream(5);
      std::vector<float> input(3 * kWidth * kHeight);
      ASSERT_THAT(source->Prepare(0, random, absl::MakeSpan(input)), IsOk());
      EXPECT_EQ(random(), next);
    }
  }
}

TEST(PrepareClassesTest, RefusesClassesThatTheNetworkHasNot) {
  Sample without = Labelled(PlainPicture(4, 4, {}), 0);
  without.truth = nullptr;
  const auto source = Prepared({Labelled(PlainPicture(4, 4, {}), 3),
                                Labelled(PlainPicture(4, 4, {}), -1), std::move(without)},
                               {.preprocess = Input(), .classes = 3});
  Philox random = Stream(0);
  std::vector<float> input(3 * kWidth * kHeight);
  const auto prepare = [&](int64_t i) { return source->Prepare(i, random, absl::MakeSpan(input)); };
  EXPECT_THAT(prepare(0), StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr("of class 3; expected one in [0, 3)")));
  EXPECT_THAT(prepare(1), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of class -1")));
  EXPECT_THAT(prepare(2), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no class")));
}

TEST(PrepareClassesTest, RefusesBadSettingsAndNoClasses) {
  const auto source = std::make_shared<FakeSource>(std::vector<Sample>());
  EXPECT_THAT(PrepareClasses(source, {.preprocess = Input()}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 classes")));
  Preprocess p = Input();
  p.add_std(1);
  EXPECT_THAT(PrepareClasses(source, {.preprocess = p, .classes = 2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("preprocess.std")));
}

TEST(PrepareClassesTest, AnotherTensorIsNoPicture) {
  const auto source = Prepared({Labelled(Tensor::Zeros(DType::kFloat32, {4, 4, 3}), 0)},
                               {ClassAugmentation{.random_crop = true}, Input(), 2});
  Philox random = Stream(0);
  std::vector<float> input(3 * kWidth * kHeight);
  EXPECT_THAT(source->Prepare(0, random, absl::MakeSpan(input)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f32 [4, 4, 3]")));
}

}  // namespace
}  // namespace trainyard::data
