#include "libs/data/preprocess.h"

#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using model::v1::Preprocess;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;

Preprocess Settings(int width, int height, Preprocess::Order order, std::vector<float> mean,
                    float scale = 1) {
  Preprocess p;
  p.set_width(width);
  p.set_height(height);
  p.set_order(order);
  for (const float m : mean) p.add_mean(m);
  p.set_scale(scale);
  return p;
}

Tensor Noise(int64_t width, int64_t height) {
  Tensor picture = PlainPicture(width, height, {});
  Philox random(1, 0, 0, RandomPurpose::kSampleData);
  for (uint8_t& v : picture.data<uint8_t>()) v = static_cast<uint8_t>(random());
  return picture;
}

std::vector<float> Process(const Tensor& picture, const Preprocess& p) {
  std::vector<float> out(static_cast<size_t>(ChannelsOf(p) * p.width() * p.height()));
  const absl::Status status = PreprocessImage(picture, p, absl::MakeSpan(out));
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

// OpenCV's resize of the whole picture on floats, what is cut out of that, then the formula, pixel
// by pixel.
std::vector<float> Reference(Tensor picture, const Preprocess& p, cv::Size scaled,
                             cv::Point offset) {
  const cv::Mat source(int(picture.dim(0)), int(picture.dim(1)), CV_8UC3,
                       picture.data<uint8_t>().data());
  cv::Mat values, all;
  source.convertTo(values, CV_32FC3);
  cv::resize(values, all, scaled, 0, 0,
             p.interpolation() == Preprocess::BICUBIC ? cv::INTER_CUBIC : cv::INTER_LINEAR);
  const cv::Mat resized = all(cv::Rect(offset, cv::Size(p.width(), p.height())));
  std::vector<float> out;
  for (int c = 0; c < ChannelsOf(p); ++c) {
    for (int y = 0; y < p.height(); ++y) {
      for (int x = 0; x < p.width(); ++x) {
        const cv::Vec3f rgb = resized.at<cv::Vec3f>(y, x);
        const float value = p.order() == Preprocess::GRAY
                                ? 0.2990f * rgb[0] + 0.5870f * rgb[1] + 0.1140f * rgb[2]
                                : rgb[p.order() == Preprocess::BGR ? 2 - c : c];
        out.push_back((value - p.mean(c)) * p.scale() / (p.std_size() == 0 ? 1 : p.std(c)));
      }
    }
  }
  return out;
}

struct Case {
  int64_t width, height;
  Preprocess settings;
};

class PreprocessSizesTest : public ::testing::TestWithParam<Case> {};

TEST_P(PreprocessSizesTest, AgreesWithOpenCvOnFloats) {
  const Tensor picture = Noise(GetParam().width, GetParam().height);
  const std::vector<float> seen = Process(picture, GetParam().settings);
  const Preprocess& p = GetParam().settings;
  const std::vector<float> expected = Reference(picture, p, {p.width(), p.height()}, {0, 0});
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    // Sums of 255ths in another order; a thousandth of a grey level.
    ASSERT_NEAR(seen[i], expected[i], 1e-3) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, PreprocessSizesTest,
    ::testing::Values(Case{37, 23,
                           Settings(16, 12, Preprocess::BGR, {103.939f, 116.779f, 123.68f})},
                      Case{16, 12, Settings(37, 40, Preprocess::RGB, {1, 2, 3}, 0.5f)},
                      Case{64, 64, Settings(64, 64, Preprocess::BGR, {0, 0, 0})},
                      Case{640, 480, Settings(128, 128, Preprocess::GRAY, {117.3786f})},
                      Case{1, 1, Settings(5, 4, Preprocess::RGB, {0, 0, 0})},
                      Case{3, 200, Settings(7, 7, Preprocess::BGR, {9, 8, 7})}));

Preprocess Bicubic(Preprocess p) {
  p.set_interpolation(Preprocess::BICUBIC);
  return p;
}

Preprocess CenterCrop(Preprocess p, int margin) {
  p.set_resize(Preprocess::CENTER_CROP);
  p.set_crop_margin(margin);
  return p;
}

Preprocess Torch(int width, int height) {
  Preprocess p = Settings(width, height, Preprocess::RGB, {123.675f, 116.28f, 103.53f}, 1.0f / 255);
  for (const float std : {0.229f, 0.224f, 0.225f}) p.add_std(std);
  return p;
}

struct CutCase {
  int64_t width, height;
  Preprocess settings;
  // Worked out by hand.
  cv::Size scaled;
  cv::Point offset;
};

class PreprocessCutsTest : public ::testing::TestWithParam<CutCase> {};

TEST_P(PreprocessCutsTest, AgreesWithACutOfWhatOpenCvScales) {
  const auto& [width, height, settings, scaled, offset] = GetParam();
  const Tensor picture = Noise(width, height);
  const std::vector<float> seen = Process(picture, settings);
  const std::vector<float> expected = Reference(picture, settings, scaled, offset);
  ASSERT_EQ(seen.size(), expected.size());
  // A thousandth of the range, in what the network sees: places are floats, which OpenCV rounds
  // elsewhere.
  const float least_std = settings.std_size() == 0 ? 1 : 0.224f;
  const float tolerance = 0.255f * settings.scale() / least_std;
  for (size_t i = 0; i < seen.size(); ++i) ASSERT_NEAR(seen[i], expected[i], tolerance) << i;
}

const Preprocess kCaffe = Settings(40, 24, Preprocess::BGR, {103.939f, 116.779f, 123.68f});

INSTANTIATE_TEST_SUITE_P(
    Cuts, PreprocessCutsTest,
    ::testing::Values(
        // Bicubic, smaller, larger, of one row and as it is.
        CutCase{100, 90, Bicubic(kCaffe), {40, 24}, {0, 0}},
        CutCase{17, 9, Bicubic(Torch(64, 48)), {64, 48}, {0, 0}},
        CutCase{50, 1, Bicubic(kCaffe), {40, 24}, {0, 0}},
        CutCase{40, 24, Bicubic(kCaffe), {40, 24}, {0, 0}},
        // 256 / 375 is more than 256 / 500; 500 * 256 / 375 = 341.3; (341 - 224) / 2 = 58.5.
        CutCase{500, 375, CenterCrop(Torch(224, 224), 32), {341, 256}, {58, 16}},
        CutCase{375, 500, CenterCrop(Torch(224, 224), 32), {256, 341}, {16, 58}},
        // 45 / 100 is more than 29 / 90; 90 * 45 / 100 = 40.5; (45 - 40) / 2 = 2.5.
        CutCase{100, 90, CenterCrop(kCaffe, 5), {45, 40}, {2, 8}},
        CutCase{100, 90, CenterCrop(Bicubic(kCaffe), 5), {45, 40}, {2, 8}},
        // Enlarged: 32 / 20 is more than 48 / 50.
        CutCase{50, 20, CenterCrop(Bicubic(kCaffe), 8), {80, 32}, {20, 4}},
        // 44 / 1 is more than 28 / 300.
        CutCase{1, 300, CenterCrop(kCaffe, 4), {44, 13200}, {2, 6588}},
        CutCase{40, 24, CenterCrop(kCaffe, 0), {40, 24}, {0, 0}}));

TEST(PreprocessImageTest, DividesEachChannelByItsStd) {
  Preprocess p = Settings(1, 1, Preprocess::RGB, {100, 100, 100}, 0.5f);
  for (const float std : {1.0f, 2.0f, 4.0f}) p.add_std(std);
  EXPECT_EQ(Process(PlainPicture(1, 1, {200, 100, 50}), p), (std::vector<float>{50, 0, -6.25f}));
  p.set_order(Preprocess::BGR);
  EXPECT_EQ(Process(PlainPicture(1, 1, {200, 100, 50}), p), (std::vector<float>{-25, 0, 12.5f}));
}

TEST(PreprocessImageTest, GreyIsDividedByItsStd) {
  Preprocess p = Settings(1, 1, Preprocess::GRAY, {100}, 1);
  p.add_std(0.5f);
  EXPECT_NEAR(Process(PlainPicture(2, 2, {200, 200, 200}), p)[0], 200, 1e-4);
}

TEST(PictureOfTest, UndoesMeanScaleAndStd) {
  const Tensor picture = Noise(40, 24);
  for (const Preprocess& p : {kCaffe, Torch(40, 24)}) {
    const Tensor input = Tensor::Of<float>({3, 24, 40}, Process(picture, p));
    EXPECT_EQ(PictureOf(input, p).data<uint8_t>(), picture.data<uint8_t>());
  }
}

TEST(PictureOfTest, HoldsValuesInTheirRangeAndShowsGreyInThreeChannels) {
  const Preprocess p = Settings(4, 1, Preprocess::GRAY, {100}, 0.5f);
  const Tensor input = Tensor::Of<float>({1, 1, 4}, {-51, 10.1f, 100, NAN});
  EXPECT_THAT(PictureOf(input, p).data<uint8_t>(),
              ElementsAre(0, 0, 0, 120, 120, 120, 255, 255, 255, 0, 0, 0));
}

TEST(PreprocessImageTest, PutsBlueFirstAndSubtractsTheMeanOfEachPlane) {
  const std::vector<float> out =
      Process(PlainPicture(4, 4, {200, 100, 50}), Settings(2, 1, Preprocess::BGR, {10, 20, 30}));
  EXPECT_EQ(out, (std::vector<float>{40, 40, 80, 80, 170, 170}));
}

TEST(PreprocessImageTest, GreyTakesTheMeanOnce) {
  const std::vector<float> out =
      Process(PlainPicture(3, 3, {200, 100, 50}), Settings(1, 1, Preprocess::GRAY, {117.3786f}));
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_NEAR(out[0], 0.299 * 200 + 0.587 * 100 + 0.114 * 50 - 117.3786, 1e-4);
}

TEST(PreprocessImageTest, RefusesOtherTensorsAndRooms) {
  const Preprocess p = Settings(2, 2, Preprocess::BGR, {0, 0, 0});
  std::vector<float> out(12), small(11);
  EXPECT_THAT(PreprocessImage(Tensor::Zeros(DType::kFloat32, {2, 2, 3}), p, absl::MakeSpan(out)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f32 [2, 2, 3]")));
  EXPECT_THAT(PreprocessImage(PlainPicture(2, 2, {}), p, absl::MakeSpan(small)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("room for 11 values")));
}

TEST(CheckPreprocessTest, NamesEveryField) {
  EXPECT_THAT(
      CheckPreprocess(Preprocess()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("preprocess.width is 0"), HasSubstr("preprocess.height is 0"),
                     HasSubstr("preprocess.order is 0"),
                     HasSubstr("preprocess.mean has 0 values; expected 3"),
                     HasSubstr("preprocess.scale is 0"))));
}

TEST(CheckPreprocessTest, NamesWhatIsWrongWithStdAndScaling) {
  Preprocess p = Settings(2, 2, Preprocess::BGR, {0, 0, 0});
  p.add_std(1);
  p.add_std(0);
  p.set_resize(static_cast<Preprocess::Resize>(7));
  p.set_crop_margin(4097);
  p.set_interpolation(static_cast<Preprocess::Interpolation>(2));
  EXPECT_THAT(CheckPreprocess(p),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("preprocess.std has 2 values; expected 3"),
                             HasSubstr("preprocess.std[1] is 0; expected"),
                             HasSubstr("preprocess.resize is 7; expected"),
                             HasSubstr("preprocess.crop_margin is 4097; expected 0 to 4096"),
                             HasSubstr("preprocess.interpolation is 2; expected"))));
  EXPECT_TRUE(CheckPreprocess(CenterCrop(Bicubic(Torch(2, 2)), 4096)).ok());
}

TEST(CheckPreprocessTest, RefusesAStdThatIsNoPositiveNumber) {
  for (const float std : {-1.0f, NAN, INFINITY}) {
    Preprocess p = Settings(2, 2, Preprocess::GRAY, {0});
    p.add_std(std);
    EXPECT_THAT(CheckPreprocess(p),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("preprocess.std[0] is")))
        << std;
  }
}

TEST(BoxesToInputTest, ScalesRoundsHalfToEvenAndKeepsDifficult) {
  const Preprocess p = Settings(100, 50, Preprocess::BGR, {0, 0, 0});
  // Factors 0.5 and 0.25: 5 -> 2.5 -> 2, 7 -> 3.5 -> 4, 10 -> 2.5 -> 2, 30 -> 7.5 -> 8.
  const auto boxes = BoxesToInput({{{5, 10, 7, 30}, 2, true}}, {200, 200}, p);
  ASSERT_THAT(boxes, SizeIs(1));
  EXPECT_EQ(boxes[0].box, (Box{2, 2, 4, 8}));
  EXPECT_EQ(boxes[0].class_id, 2);
  EXPECT_TRUE(boxes[0].difficult);
}

TEST(BoxesToInputTest, ClipsToTheLastPixelAndDropsWhatVanishes) {
  const Preprocess p = Settings(100, 100, Preprocess::BGR, {0, 0, 0});
  const auto boxes = BoxesToInput({{{-20, 50, 300, 400}, 1, false},
                                   {{150, 10, 180, 20}, 1, false},    // Outside.
                                   {{10, 10, 10.4f, 20}, 1, false}},  // Rounds to no width.
                                  {100, 100}, p);
  ASSERT_THAT(boxes, SizeIs(1));
  EXPECT_EQ(boxes[0].box, (Box{0, 50, 99, 99}));
}

}  // namespace
}  // namespace trainyard::data
