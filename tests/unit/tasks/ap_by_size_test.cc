#include "libs/tasks/detection/ap_by_size.h"

#include <cmath>

#include "gmock/gmock.h"

namespace trainyard::tasks {
namespace {

using ::testing::HasSubstr;

data::LabelledBox Object(float x, float side, int class_id = 1) {
  return {.box = {x, 0, x + side, side}, .class_id = class_id};
}
data::Detection Found(float x, float side, float score, int class_id = 1) {
  return {.box = {x, 0, x + side, side}, .class_id = class_id, .score = score};
}
double Area(float side) { return double{side} * side; }

class ApBySizeTest : public ::testing::TestWithParam<Matching> {
 protected:
  EvaluationPlan plan() const { return {.ap_mode = ApMode::kIntegrate, .matching = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(EachMatching, ApBySizeTest,
                         ::testing::Values(Matching::kTao, Matching::kVoc, Matching::kCoco));

// A small, a medium and a large object; the medium one alone is missed, and detections of nothing
// are small (.95) and large (.2). Kills: false positives of other sizes that count (small would be
// 1 only by luck, medium would not be 0 / NaN), and objects of other sizes that stay in recall.
TEST_P(ApBySizeTest, OnlyObjectsAndFalsePositivesOfTheSizeCount) {
  ApBySize sizes({"a"}, plan());
  sizes.Add(
      {Object(0, 20), Object(200, 50), Object(400, 200)},
      {Found(0, 20, 0.9f), Found(400, 200, 0.8f), Found(800, 20, 0.95f), Found(1000, 200, 0.2f)},
      {Area(20), Area(50), Area(200)}, {Area(20), Area(200), Area(20), Area(200)});
  const auto result = sizes.Compute();
  EXPECT_NEAR(result[0].mean_ap, 0.5, 1e-9) << "the false positive comes first";
  EXPECT_EQ(result[1].mean_ap, 0);
  EXPECT_NEAR(result[2].mean_ap, 1, 1e-9);
  for (const ApResult& one : result) EXPECT_EQ(one.classes[0].objects, 1);
}

// A small object found by a box that is medium itself (IoU .73): a true positive of small, nothing
// in medium.
TEST_P(ApBySizeTest, ADetectionIsOfTheSizeOfItsObject) {
  ApBySize sizes({"a"}, plan());
  sizes.Add({Object(0, 30), Object(200, 50)}, {Found(0, 35, 0.9f), Found(200, 50, 0.8f)},
            {Area(30), Area(50)}, {Area(35), Area(50)});
  const auto result = sizes.Compute();
  EXPECT_NEAR(result[0].mean_ap50, 1, 1e-9);
  EXPECT_NEAR(result[1].mean_ap50, 1, 1e-9);
  EXPECT_EQ(result[1].classes[0].false_positives, 0);
}

// The network saw 20 x 20 pixels, the picture has 200 x 200. Kills: sizes in pixels of the input.
TEST_P(ApBySizeTest, AreasAreThoseOfThePicture) {
  ApBySize sizes({"a"}, plan());
  sizes.Add({Object(0, 20)}, {Found(0, 20, 0.9f)}, {Area(200)}, {Area(200)});
  const auto result = sizes.Compute();
  EXPECT_NEAR(result[2].mean_ap, 1, 1e-9);
  EXPECT_TRUE(std::isnan(result[0].mean_ap));
}

// As pycocotools has it. Kills: half-open ranges.
TEST_P(ApBySizeTest, AnObjectOnTheBorderIsOfBothSizes) {
  ApBySize sizes({"a", "b"}, plan());
  sizes.Add({Object(0, 32)}, {}, {Area(32)}, {});
  const auto result = sizes.Compute();
  EXPECT_EQ(result[0].classes[0].objects, 1);
  EXPECT_EQ(result[1].classes[0].objects, 1);
  EXPECT_EQ(result[2].classes[0].objects, 0);
  EXPECT_TRUE(std::isnan(result[0].classes[1].ap)) << "no object of b, whatever the matching";
}

TEST(ApBySizeJsonTest, HasAMemberForEachRange) {
  ApBySize sizes({"a"}, {});
  sizes.Add({Object(0, 20)}, {}, {Area(20)}, {});
  EXPECT_THAT(JsonOf(sizes.Compute()),
              ::testing::AllOf(HasSubstr(R"("small": {"objects": 1, "mAP": 0, "AP_a": 0})"),
                               HasSubstr(R"("large": {"objects": 0, "mAP": null, "AP_a": null})")));
}

}  // namespace
}  // namespace trainyard::tasks
