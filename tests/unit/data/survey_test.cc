#include "libs/data/formats/survey.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/labelled_sets.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::LabelledPicture;
using testing::TemporaryFolder;

TEST(SpreadOfTest, TakesTheLowerOfTwoInTheMiddle) {
  std::vector<float> values = {9, 1, 4, 2};
  const Spread spread = SpreadOf(values);
  EXPECT_EQ(spread.least, 1);
  EXPECT_EQ(spread.median, 2);
  EXPECT_EQ(spread.most, 9);
  values.clear();
  EXPECT_EQ(SpreadOf(values).most, 0);
}

TEST(SurveyTest, CountsAndDescribesASet) {
  TemporaryFolder folder;
  const std::vector<LabelledPicture> first = {
      {"a", 40, 30, {{"RBC", 1, 2, 11, 8}, {"RBC", 0, 0, 4, 4, true}, {"WBC", 5, 5, 9, 25}}},
      {"b", 50, 30, {}}};
  const std::vector<LabelledPicture> second = {
      {"c", 44, 33, {{"RBC", 3, 3, 6, 6}, {"WBC", 60, 1, 70, 9}}}};
  testing::WriteKittiSet(folder, "train", first);
  testing::WriteKittiSet(folder, "val", second);
  folder.Write("val/images/d.png", "");
  folder.Write("val/labels/d.txt", "");

  const auto recognized = RecognizeDataSet(folder.path());
  ASSERT_THAT(recognized.status(), IsOk());
  const auto survey = SurveyDataSet(folder.path(), recognized->candidates.front(), 2);
  ASSERT_THAT(survey.status(), IsOk());
  EXPECT_EQ(survey->classes.at("RBC").boxes, 3);
  EXPECT_EQ(survey->classes.at("RBC").pictures, 2);
  EXPECT_EQ(survey->classes.at("RBC").difficult, 1);
  EXPECT_EQ(survey->classes.at("WBC").boxes, 1);
  EXPECT_THAT(
      DescribeSurvey("cells", *recognized, DataFormat::kKitti, *survey, 1),
      ElementsAre(
          "cells: kitti",
          HasSubstr("2 label files in 'train/labels' for pictures in 'train/images'"),
          HasSubstr("2 label files in 'val/labels' for pictures in 'val/images'"),
          "part train: 2 pictures in train/images, labels in train/labels: 3 boxes",
          "part val: 1 picture in val/images, labels in val/labels: 1 box; left out: 1 "
          "picture, 1 box",
          "pictures: width 40 to 50, median 44; height 30 to 33, median 30; 1 without a box",
          "boxes: width 3 to 10, median 4; height 3 to 20, median 4", "2 classes",
          "  RBC                             3 boxes in 2 pictures, 1 difficult",
          "  and 1 more with 1 boxes",
          HasSubstr("problem: left out: val/labels/c.txt:2: box (60, 1, 70, 9)"),
          HasSubstr("problem: left out: val/images/d.png")));
  EXPECT_THAT(ProblemsOf(*survey, 1), ElementsAre("and 2 more that are not listed here"));
}

}  // namespace
}  // namespace trainyard::data
