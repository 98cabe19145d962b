#include "libs/data/kitti.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kCar[] = "Car 0.25 1 -1.57 10.5 20.25 110.75 80 1.5 1.6 3.7 1 2 30 -1.5";

auto Refused(const std::string& place, Refusal reason, const std::string& text) {
  return AllOf(Field(&LedgerEntry::place, place), Field(&LedgerEntry::reason, reason),
               Field(&LedgerEntry::image, "images/7"), Field(&LedgerEntry::text, HasSubstr(text)));
}

KittiLabels Parse(const std::string& text) {
  return ParseKittiLabels(text, "labels/7.txt", "images/7");
}

TEST(ParseKittiLabelsTest, ReadsAllFifteenColumns) {
  const KittiLabels labels = Parse(std::string("\n") + kCar + "\n");
  EXPECT_THAT(labels.refused, IsEmpty());
  ASSERT_THAT(labels.objects, SizeIs(1));
  const KittiObject& car = labels.objects[0];
  EXPECT_EQ(car.type, "Car");
  EXPECT_EQ(car.truncated, 0.25);
  EXPECT_EQ(car.occluded, 1);
  EXPECT_TRUE(car.difficult());
  EXPECT_EQ(car.alpha, -1.57);
  EXPECT_EQ(car.box, (Box{10.5f, 20.25f, 110.75f, 80}));
  EXPECT_EQ(car.height, 1.5);
  EXPECT_EQ(car.width, 1.6);
  EXPECT_EQ(car.length, 3.7);
  EXPECT_EQ(car.x, 1);
  EXPECT_EQ(car.y, 2);
  EXPECT_EQ(car.z, 30);
  EXPECT_EQ(car.rotation_y, -1.5);
  EXPECT_EQ(car.score, std::nullopt);
  EXPECT_EQ(car.line, 2);
}

TEST(ParseKittiLabelsTest, ToleratesAScoreTabsCarriageReturnsAndAByteOrderMark) {
  const KittiLabels labels = Parse(
      "\xEF\xBB\xBF"
      "a\t0 0 0  1 2 3 4 0 0 0 0 0 0 0 0.75\r\n\r\n  b 0 0.0 0 1 2 3 4 0 0 0 0 0 0 0");
  EXPECT_THAT(labels.refused, IsEmpty());
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[0].score, 0.75);
  EXPECT_EQ(labels.objects[0].type, "a");
  EXPECT_FALSE(labels.objects[1].difficult());
  EXPECT_EQ(labels.objects[1].line, 3);
  EXPECT_EQ(labels.lines, 2);
}

TEST(ParseKittiLabelsTest, NamesEachBadLineAndGoesOn) {
  const KittiLabels labels = Parse(
      "a 0 0 0 1 2 3 4\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 zero\n"
      "a 0 0 0 nan 2 3 4 0 0 0 0 0 0 0\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 0 0.5 9\n"
      "a 0 0 0 1 2 3e9 4 0 0 0 0 0 0 0\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n");
  EXPECT_THAT(labels.objects, SizeIs(1));
  EXPECT_EQ(labels.lines, 6);
  EXPECT_THAT(
      labels.refused,
      ElementsAre(
          Refused("labels/7.txt:1", Refusal::kWrongColumnCount, "has 8 columns; expected 15"),
          Refused("labels/7.txt:2", Refusal::kNotANumber, "column 15 (rotation_y) is 'zero'"),
          Refused("labels/7.txt:3", Refusal::kNotANumber, "column 5 (x1) is 'nan'"),
          Refused("labels/7.txt:4", Refusal::kWrongColumnCount, "has 17 columns"),
          Refused("labels/7.txt:5", Refusal::kNotANumber, "column 7 (x2) is 3e9")));
}

TEST(ParseKittiLabelsTest, RefusesBoxesWithoutAWholePixelWhateverTheirClass) {
  const KittiLabels labels = Parse(
      "DontCare 0 0 0 10 20 10.9 30 0 0 0 0 0 0 0\n"  // 10 < 10.9, but 10 == 10 in whole pixels.
      "a 0 0 0 9.9 20 10 30 0 0 0 0 0 0 0\n"          // 9 < 10.
      "a 0 0 0 5 30 9 20 0 0 0 0 0 0 0\n");
  EXPECT_THAT(labels.objects, SizeIs(1));
  EXPECT_THAT(labels.refused,
              ElementsAre(Refused("labels/7.txt:1", Refusal::kDegenerateBox, "has no width"),
                          Refused("labels/7.txt:3", Refusal::kDegenerateBox, "has no height")));
}

TEST(ParseKittiLabelsTest, GivesEqualDegenerateLinesThePlaceOfTheFirst) {
  const std::string flat = "a 0 0 0 4 5 4 9 0 0 0 0 0 0 0\n";
  const KittiLabels labels = Parse(std::string(kCar) + "\n\n" + flat + kCar + "\n" + flat);
  ASSERT_THAT(labels.degenerate, SizeIs(2));
  EXPECT_EQ(labels.degenerate[0].index, 1);
  EXPECT_EQ(labels.degenerate[1].index, 1);
  EXPECT_THAT(labels.degenerate[0].corners, ElementsAre(4, 5, 4, 9));
}

TEST(ParseKittiLabelsTest, AnEmptyFileHasNoObjects) {
  EXPECT_THAT(Parse("").objects, IsEmpty());
  EXPECT_THAT(Parse(" \n\t\r\n").refused, IsEmpty());
}

TEST(FormatKittiLineTest, WritesWhatTheParserReads) {
  const KittiObject car = Parse(kCar).objects.at(0);
  EXPECT_EQ(FormatKittiLine(car),
            "Car 0.25 1 -1.57 10.50 20.25 110.75 80.00 1.50 1.60 3.70 1.00 2.00 30.00 -1.50");
  EXPECT_EQ(Parse(FormatKittiLine(car)).objects.at(0).box, car.box);
}

}  // namespace
}  // namespace trainyard
