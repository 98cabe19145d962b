#include "libs/tasks/detection/f1_curve.h"

#include "gmock/gmock.h"

namespace trainyard::tasks {
namespace {

JudgedDetection Judged(float score, bool found, bool dropped = false) {
  return {.score = score, .image = 0, .found = found, .dropped = dropped};
}

// Four objects. At .9: P 1, R 1/4, F1 .4. At .8: 1, 1/2, 2/3. At .5 (two of one score, one right):
// 3/4, 3/4, .75. At .2: 3/6, 3/4, .6. The dropped one counts nowhere.
JudgedClass Small() {
  return {.name = "a",
          .detections = {Judged(0.2f, false), Judged(0.9f, true), Judged(0.5f, true),
                         Judged(0.95f, false, true), Judged(0.5f, false), Judged(0.8f, true),
                         Judged(0.2f, false)},
          .objects = {{.image = 0, .objects = 4}}};
}

// Kills: the plain mean of precision and recall (.75 at .8 already), recall over detections, a
// threshold that parts equal scores (the right one of .5 alone would give 6/7).
TEST(F1CurveTest, TheBestThresholdIsTheOneByHand) {
  const JudgedClass own = Small();
  const F1Curve curve = F1Of({&own, 1}, 0);
  EXPECT_NEAR(curve.best, 0.75, 1e-12);
  EXPECT_EQ(curve.best_score, 0.5);
  EXPECT_NEAR(curve.precision, 0.75, 1e-12);
  EXPECT_NEAR(curve.recall, 0.75, 1e-12);
}

// Kills: F1 of detections above the score, without those at it; curves from the wrong end.
TEST(F1CurveTest, APointIsOfDetectionsAtOrAboveItsScore) {
  const JudgedClass own = Small();
  const F1Curve curve = F1Of({&own, 1}, 0);
  EXPECT_NEAR(curve.f1[0], 0.6, 1e-12);
  EXPECT_NEAR(curve.f1[20], 0.6, 1e-12);
  EXPECT_NEAR(curve.f1[21], 0.75, 1e-12);
  EXPECT_NEAR(curve.f1[50], 0.75, 1e-12);
  EXPECT_NEAR(curve.f1[51], 2.0 / 3, 1e-12);
  EXPECT_NEAR(curve.f1[90], 0.4, 1e-12);
  EXPECT_EQ(curve.f1[91], 0);
}

TEST(F1CurveTest, OfEqualOnesTheHighestScoreIsBest) {
  // One object each: .8 finds one of two (2/3); .4 finds the second behind two false ones (4/6).
  const JudgedClass own = {.name = "a",
                           .detections = {Judged(0.8f, true), Judged(0.6f, false),
                                          Judged(0.5f, false), Judged(0.4f, true)},
                           .objects = {{.image = 0, .objects = 2}}};
  EXPECT_EQ(F1Of({&own, 1}, 0).best_score, 0.8f);
}

// Two classes of 1 object: one found, one not. Kills: the mean of the classes' F1 (1/2).
TEST(F1CurveTest, SeveralClassesAreTakenTogether) {
  const std::vector<JudgedClass> classes = {
      {.name = "a", .detections = {Judged(0.9f, true)}, .objects = {{.image = 0, .objects = 1}}},
      {.name = "b", .objects = {{.image = 0, .objects = 1}}}};
  EXPECT_NEAR(F1Of(classes, 0).best, 2.0 / 3, 1e-12);
}

TEST(F1CurveTest, NothingFoundIsZero) {
  const JudgedClass nothing = {.name = "a"};
  EXPECT_EQ(F1Of({&nothing, 1}, 0).best, 0);
  const JudgedSet set{.thresholds = {0.5}, .classes = {nothing}};
  EXPECT_THAT(F1Json(set), ::testing::StartsWith(R"({"all": {"f1": 0, "score": 0, )"));
}

TEST(F1CurveTest, LooksAtTheBitThatIsAskedFor) {
  const JudgedClass own = {.name = "a",
                           .detections = {{.score = 0.9f, .found = 0b01, .dropped = 0b100}},
                           .objects = {{.image = 0, .objects = 1}}};
  EXPECT_EQ(F1Of({&own, 1}, 0).best, 1);
  EXPECT_EQ(F1Of({&own, 1}, 1).best, 0);
}

}  // namespace
}  // namespace trainyard::tasks
