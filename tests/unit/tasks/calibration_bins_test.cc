#include "libs/tasks/detection/calibration_bins.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "libs/base/random.h"

namespace trainyard::tasks {
namespace {

JudgedDetection Judged(float score, bool found, bool dropped = false) {
  return {.score = score, .image = 0, .found = found, .dropped = dropped};
}

// By hand. Bin 9: .9375 (right), 1 (wrong): mean .96875, precision .5. Bin 2: .25 (wrong): 0. The
// error is (2 |.5 - .96875| + |0 - .25|) / 3. Kills: the mean over bins, without their weights
// ((.46875 + .25) / 2); the middle of a bin for its mean score; the dropped one counted; 1 in a bin
// of its own.
TEST(CalibrationTest, TheErrorIsTheOneByHand) {
  const JudgedClass own = {.name = "a",
                           .detections = {Judged(0.9375f, true), Judged(1, false),
                                          Judged(0.25f, false), Judged(0.5f, true, true)}};
  const Calibration result = CalibrationOf({&own, 1}, 0);
  EXPECT_EQ(result.bins[9].detections, 2);
  EXPECT_EQ(result.bins[9].score, 0.96875);
  EXPECT_EQ(result.bins[9].precision, 0.5);
  EXPECT_EQ(result.bins[2].detections, 1);
  EXPECT_EQ(result.bins[5].detections, 0);
  EXPECT_TRUE(std::isnan(result.bins[5].precision));
  EXPECT_NEAR(result.error, (2 * 0.46875 + 0.25) / 3, 1e-12);
}

// Scores that are right as often as they say, and scores that are all .2 too high. Kills: signed
// differences that cancel, recall or F1 in place of precision.
TEST(CalibrationTest, HonestScoresHaveNoErrorAndBoastfulOnesTheirs) {
  Philox random(1, 0, 0, RandomPurpose::kSampleData);
  JudgedClass honest{.name = "a"}, boastful{.name = "b"};
  for (int i = 0; i < 200'000; ++i) {
    const double score = 0.2 + 0.8 * random.Uniform();
    honest.detections.push_back(Judged(static_cast<float>(score), random.Uniform() < score));
    boastful.detections.push_back(
        Judged(static_cast<float>(score), random.Uniform() < score - 0.2));
  }
  EXPECT_NEAR(CalibrationOf({&honest, 1}, 0).error, 0, 0.01);
  EXPECT_NEAR(CalibrationOf({&boastful, 1}, 0).error, 0.2, 0.01);
  const std::vector<JudgedClass> both = {honest, boastful};
  EXPECT_NEAR(CalibrationOf(both, 0).error, 0.1, 0.01);
}

TEST(CalibrationTest, NothingFoundHasNoError) {
  const JudgedSet set{.thresholds = {0.5}, .classes = {{.name = "a"}}};
  EXPECT_TRUE(std::isnan(CalibrationOf(set.classes, 0).error));
  EXPECT_THAT(CalibrationJson(set),
              ::testing::StartsWith(R"({"all": {"error": null, "bins": [{"detections": 0, )"
                                    R"("score": null, "precision": null})"));
}

}  // namespace
}  // namespace trainyard::tasks
