#include "libs/tasks/detection/worst.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/data/box_truth.h"
#include "libs/data/image_io.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::ElementsAre;
using testing::IsOk;
using ::testing::Pair;
using ::testing::SizeIs;

data::LabelledBox Object(float x, float side, int class_id = 1, bool difficult = false) {
  return {.box = {x, 0, x + side, side}, .class_id = class_id, .difficult = difficult};
}
data::Detection Found(float x, float side, float score, int class_id = 1) {
  return {.box = {x, 0, x + side, side}, .class_id = class_id, .score = score};
}

// What AveragePrecision says of them.
void Judge(WorstCases& worst, int64_t index, const std::vector<data::LabelledBox>& objects,
           const std::vector<data::Detection>& detections) {
  AveragePrecision ap({"nut", "bolt"}, {});
  worst.Add(index, absl::StrCat("image ", index), objects, detections, ap.Add(objects, detections));
}

// Kills: true positives among the false ones, and the order of the images in place of the scores'.
TEST(WorstCasesTest, FalsePositivesComeByScore) {
  WorstCases worst(0.5, 0.3);
  Judge(worst, 0, {Object(0, 10)}, {Found(0, 10, 0.99f), Found(4, 10, 0.6f), Found(50, 10, 0.1f)});
  Judge(worst, 1, {Object(0, 10, 2)}, {Found(0, 10, 0.8f)});
  ASSERT_THAT(worst.false_positives(), SizeIs(3));
  const WorstCase& first = worst.false_positives()[0];
  EXPECT_EQ(first.image, "image 1");
  EXPECT_EQ(first.best_iou, 0) << "another class";
  EXPECT_EQ(worst.false_positives()[1].score, 0.6f);
  // 60 of 140.
  EXPECT_NEAR(worst.false_positives()[1].best_iou, 60.0 / 140, 1e-9);
}

// Missed: the largest (no detection), one of which the detection scores .2, one that overlaps too
// little. Not: found at .3, difficult. Kills: misses whatever the score; by index; difficult ones.
TEST(WorstCasesTest, MissesComeBySizeAndAreThoseBelowTheThreshold) {
  WorstCases worst(0.5, 0.3);
  Judge(
      worst, 0,
      {Object(0, 10), Object(100, 40), Object(200, 20), Object(300, 15), Object(400, 99, 1, true)},
      {Found(0, 10, 0.3f), Found(200, 20, 0.2f), Found(310, 15, 0.9f), Found(100, 40, 0.9f, 2)});
  ASSERT_THAT(worst.misses(), SizeIs(3));
  EXPECT_EQ(worst.misses()[0].box.x1, 100);
  EXPECT_EQ(worst.misses()[0].best_iou, 0);
  EXPECT_EQ(worst.misses()[1].box.x1, 200);
  EXPECT_EQ(worst.misses()[1].score, 0.2f);
  EXPECT_EQ(worst.misses()[1].best_iou, 1);
  EXPECT_EQ(worst.misses()[2].box.x1, 300);
  EXPECT_EQ(worst.misses()[2].score, 0) << "overlaps by 5 of 25";
}

TEST(WorstCasesTest, KeepsSoManyAndAmongEqualsTheFirst) {
  WorstCases worst(0.5, 0.3);
  for (int i = 0; i < 100; ++i) {
    Judge(worst, i, {Object(0, 10 + static_cast<float>(i))},
          {Found(500, 10, i < 90 ? 0.5f : 0.9f)});
  }
  ASSERT_THAT(worst.false_positives(), SizeIs(kWorstTold));
  EXPECT_EQ(worst.false_positives()[0].image_index, 90);
  EXPECT_EQ(worst.false_positives()[9].image_index, 99);
  EXPECT_EQ(worst.false_positives()[10].image_index, 0);
  EXPECT_EQ(worst.misses()[0].image_index, 99);
  EXPECT_EQ(worst.misses()[23].image_index, 76);
}

TEST(WorstCasesTest, JsonNamesThePicturesThatAreDrawn) {
  WorstCases worst(0.5, 0.3);
  for (int i = 0; i < 7; ++i) Judge(worst, i, {}, {Found(1, 2, 0.5f)});
  google::protobuf::Struct json;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(worst.Json({"n\"ut", "bolt"}, true), &json).ok());
  const auto& cases = json.fields().at("false_positives").list_value();
  ASSERT_EQ(cases.values_size(), 7);
  const auto& first = cases.values(0).struct_value().fields();
  EXPECT_EQ(first.at("image").string_value(), "image 0");
  EXPECT_EQ(first.at("class").string_value(), "n\"ut");
  EXPECT_EQ(first.at("score").number_value(), 0.5);
  EXPECT_EQ(first.at("box").list_value().values(2).number_value(), 3);
  EXPECT_EQ(first.at("picture").string_value(), "worst_false_positive_01.jpg");
  EXPECT_FALSE(cases.values(6).struct_value().fields().contains("picture"));
  EXPECT_THAT(worst.Json({"nut", "bolt"}, false), ::testing::Not(::testing::HasSubstr("picture")));
}

absl::StatusOr<data::Sample> Grey(int64_t width, int64_t height) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  for (uint8_t& value : image.data<uint8_t>()) value = 90;
  return data::Sample{
      .id = "x", .image = std::move(image), .truth = data::TruthOf({Object(10, 20)})};
}

bool IsRed(const Tensor& image, int64_t x, int64_t y) {
  const auto pixels = image.data<uint8_t>().subspan((y * image.dim(1) + x) * 3, 3);
  return pixels[0] > 150 && pixels[1] < 80 && pixels[2] < 80;
}

// The box of a picture of 2000 x 1000 lies in its middle: the window shows 640 x 640 around it,
// unshrunk.
TEST(DrawWorstCasesTest, DrawsAWindowAroundTheCase) {
  WorstCases worst(0.5, 0.3);
  Judge(worst, 5, {},
        {data::Detection{.box = {980, 480, 1020, 520}, .class_id = 1, .score = 0.9f}});
  Judge(worst, 6, {Object(10, 20)}, {});
  std::vector<int64_t> read;
  const auto files = DrawWorstCases(worst, {"Mutter \xC3\xBC", "bolt"}, [&](int64_t index) {
    read.push_back(index);
    return index == 5 ? Grey(2000, 1000) : Grey(100, 50);
  });
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(read, ElementsAre(5, 6));
  ASSERT_THAT(*files, ElementsAre(Pair("worst_false_positive_01.jpg", ::testing::_),
                                  Pair("worst_miss_01.jpg", ::testing::_)));
  const Tensor first = data::DecodeImage((*files)[0].second, "").value();
  EXPECT_EQ(first.shape(), (Shape{640, 640, 3}));
  // Centre (1000, 500) is at (320, 320): the right edge of the box at 340.
  EXPECT_TRUE(IsRed(first, 340, 325));
  EXPECT_FALSE(IsRed(first, 330, 330));
  EXPECT_EQ(data::DecodeImage((*files)[1].second, "")->shape(), (Shape{50, 100, 3}));
}

// A box of 900 pixels is shown whole, with what is around it, shrunk.
TEST(DrawWorstCasesTest, ShrinksWhatIsLargerThanAPage) {
  WorstCases worst(0.5, 0.3);
  Judge(worst, 0, {},
        {data::Detection{.box = {100, 50, 1000, 950}, .class_id = 2, .score = 0.9f},
         data::Detection{.box = {-1e9f, -5, 1e9f, 5}, .class_id = 2, .score = 0.8f}});
  const auto files =
      DrawWorstCases(worst, {"nut", "bolt"}, [](int64_t) { return Grey(2000, 1000); });
  ASSERT_THAT(files, IsOk());
  ASSERT_THAT(*files, SizeIs(2));
  for (const auto& [name, bytes] : *files) {
    EXPECT_EQ(data::DecodeImage(bytes, name)->shape(), (Shape{320, 640, 3}));
  }
}

TEST(DrawWorstCasesTest, AnImageThatIsGoneIsLeftOut) {
  WorstCases worst(0.5, 0.3);
  Judge(worst, 0, {}, {Found(0, 10, 0.9f)});
  const auto files = DrawWorstCases(
      worst, {"nut", "bolt"},
      [](int64_t) -> absl::StatusOr<data::Sample> { return absl::NotFoundError("gone"); });
  ASSERT_THAT(files, IsOk());
  EXPECT_THAT(*files, ::testing::IsEmpty());
}

}  // namespace
}  // namespace trainyard::tasks
