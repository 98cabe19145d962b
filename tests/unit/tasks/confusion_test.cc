#include "libs/tasks/detection/confusion.h"

#include "gmock/gmock.h"

namespace trainyard::tasks {
namespace {

using ::testing::ElementsAre;

data::LabelledBox Object(float x1, float x2, int class_id, bool difficult = false) {
  return {.box = {x1, 0, x2, 10}, .class_id = class_id, .difficult = difficult};
}
data::Detection Found(float x1, float x2, int class_id, float score = 0.9f) {
  return {.box = {x1, 0, x2, 10}, .class_id = class_id, .score = score};
}

// By hand: 1 found as itself, 1 taken for 2, 2 missed, one detection of 2 on background. Kills:
// matching within a class only (then nothing is confused), rows and columns the other way round.
TEST(DetectionConfusionTest, RowsAreTruthAndColumnsAreWhatWasFound) {
  DetectionConfusion confusion(2, 0.5, 0.3);
  confusion.Add({Object(0, 10, 1), Object(20, 30, 1), Object(40, 50, 2)},
                {Found(0, 10, 1), Found(21, 30, 2), Found(60, 70, 2)});
  EXPECT_THAT(confusion.counts(),
              ElementsAre(ElementsAre(1, 1, 0), ElementsAre(0, 0, 1), ElementsAre(0, 1, 0)));
  EXPECT_EQ(confusion.Json({"nut", "bolt"}),
            R"({"iou": 0.5, "score": 0.3, "labels": ["nut", "bolt", "background"], )"
            R"("counts": [[1, 1, 0], [0, 0, 1], [0, 1, 0]]})");
}

// The better score overlaps less. Kills: pairs by score first; an object that two detections share.
TEST(DetectionConfusionTest, TheLargestOverlapIsPairedFirst) {
  DetectionConfusion confusion(2, 0.5, 0.3);
  confusion.Add({Object(0, 10, 1)}, {Found(3, 10, 2, 0.9f), Found(0, 10, 1, 0.4f)});
  EXPECT_THAT(confusion.counts(),
              ElementsAre(ElementsAre(1, 0, 0), ElementsAre(0, 0, 0), ElementsAre(0, 1, 0)));
}

TEST(DetectionConfusionTest, EqualOverlapsGoToTheBetterScore) {
  DetectionConfusion confusion(2, 0.5, 0.3);
  confusion.Add({Object(0, 10, 1)}, {Found(0, 10, 2, 0.5f), Found(0, 10, 1, 0.8f)});
  EXPECT_EQ(confusion.counts()[0][0], 1);
  EXPECT_EQ(confusion.counts()[2][1], 1);
}

// Kills: a threshold that leaves the score itself out, in float or in double.
TEST(DetectionConfusionTest, AScoreAtTheThresholdCounts) {
  for (const double threshold : {0.3, 0.7}) {
    DetectionConfusion confusion(1, 0.5, threshold);
    confusion.Add({Object(0, 10, 1)}, {Found(0, 10, 1, static_cast<float>(threshold))});
    EXPECT_EQ(confusion.counts()[0][0], 1) << threshold;
    confusion.Add({Object(0, 10, 1)}, {Found(0, 10, 1, static_cast<float>(threshold - 0.01))});
    EXPECT_EQ(confusion.counts()[0][1], 1) << threshold;
  }
}

TEST(DetectionConfusionTest, DifficultObjectsAndUnknownClassesCountNeitherWay) {
  DetectionConfusion confusion(1, 0.5, 0.3);
  confusion.Add({Object(0, 10, 1, /*difficult=*/true), Object(50, 60, 7)},
                {Found(0, 10, 1), Found(1, 10, 1), Found(80, 90, 7)});
  EXPECT_THAT(confusion.counts(), ElementsAre(ElementsAre(0, 0), ElementsAre(0, 0)));
}

}  // namespace
}  // namespace trainyard::tasks
