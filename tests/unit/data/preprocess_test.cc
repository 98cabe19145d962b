#include "libs/data/preprocess.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using model::v1::Preprocess;
using ::testing::AllOf;
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

// OpenCV's bilinear resize on floats, then the formula, pixel by pixel.
std::vector<float> Reference(Tensor picture, const Preprocess& p) {
  const cv::Mat source(int(picture.dim(0)), int(picture.dim(1)), CV_8UC3,
                       picture.data<uint8_t>().data());
  cv::Mat values, resized;
  source.convertTo(values, CV_32FC3);
  cv::resize(values, resized, {p.width(), p.height()}, 0, 0, cv::INTER_LINEAR);
  std::vector<float> out;
  for (int c = 0; c < ChannelsOf(p); ++c) {
    for (int y = 0; y < p.height(); ++y) {
      for (int x = 0; x < p.width(); ++x) {
        const cv::Vec3f rgb = resized.at<cv::Vec3f>(y, x);
        const float value = p.order() == Preprocess::GRAY
                                ? 0.2990f * rgb[0] + 0.5870f * rgb[1] + 0.1140f * rgb[2]
                                : rgb[p.order() == Preprocess::BGR ? 2 - c : c];
        out.push_back((value - p.mean(c)) * p.scale());
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
  const std::vector<float> expected = Reference(picture, GetParam().settings);
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
}  // namespace trainyard
