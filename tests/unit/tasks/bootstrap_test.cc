#include "libs/tasks/detection/bootstrap.h"

#include <cmath>
#include <vector>

#include "libs/base/random.h"
#include "libs/tasks/detection/average_precision.h"
#include "tests/unit/tasks/random_scenes.h"

namespace trainyard::tasks {
namespace {

using testing::RandomScenes;
using testing::Scene;

AveragePrecision Judge(const std::vector<Scene>& scenes, const EvaluationPlan& plan) {
  AveragePrecision ap({"a", "b", "none"}, plan);
  for (const Scene& scene : scenes) ap.Add(scene.objects, scene.detections);
  return ap;
}

// The images that a resample draws, in the order of the images: what the weights of ResampleAp
// mean.
std::vector<Scene> Drawn(const std::vector<Scene>& scenes, uint64_t seed, int resample) {
  Philox random(seed, 0, resample, RandomPurpose::kBootstrap);
  std::vector<int> times(scenes.size());
  for (size_t i = 0; i < scenes.size(); ++i) ++times[random.Below(scenes.size())];
  std::vector<Scene> drawn;
  for (size_t i = 0; i < scenes.size(); ++i) drawn.insert(drawn.end(), times[i], scenes[i]);
  return drawn;
}

void ExpectSame(double a, double b) {
  if (std::isnan(a) && std::isnan(b)) return;
  EXPECT_NEAR(a, b, 1e-12);
}

// The whole evaluation again on a list with repeated images. Kills: weights that count detections
// and not objects, or the other way round; precision of a resample over the counts of all images; a
// list that is cut too early; recall of the eleven points taken at the first copy of a detection.
TEST(ResampleApTest, IsTheEvaluationOfTheImagesThatWereDrawn) {
  for (const Matching matching : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    for (const ApMode mode : {ApMode::kSample, ApMode::kIntegrate}) {
      const EvaluationPlan plan{.ap_mode = mode, .matching = matching};
      const std::vector<Scene> scenes = RandomScenes(7, 20);
      const ResampledAp resampled =
          ResampleAp(Judge(scenes, plan).judged(), {.seed = 5, .resamples = 12});
      for (int r = 0; r < 12; ++r) {
        const ApResult again = Judge(Drawn(scenes, 5, r), plan).Compute();
        ExpectSame(resampled.mean[r], again.mean_ap);
        for (int c = 0; c < 3; ++c) ExpectSame(resampled.classes[c][r], again.classes[c].ap);
      }
    }
  }
}

// Class b has one object in one of 12 images: it misses e^-1 of the resamples. Kills: 0 for a class
// that was not drawn.
TEST(ResampleApTest, AClassThatWasNotDrawnIsLeftOutOfTheMean) {
  AveragePrecision ap({"a", "b"}, {.ap_mode = ApMode::kIntegrate});
  for (int i = 0; i < 12; ++i) {
    const data::Box box{0, 0, 10, 10};
    std::vector<data::LabelledBox> objects = {{.box = box, .class_id = 1}};
    if (i == 3) objects.push_back({.box = box, .class_id = 2});
    ap.Add(objects, {{.box = box, .class_id = 1, .score = 0.9f},
                     {.box = box, .class_id = 2, .score = i == 3 ? 0.9f : 0.1f}});
  }
  const ResampledAp resampled = ResampleAp(ap.judged(), {.resamples = 400});
  int missing = 0;
  for (int r = 0; r < 400; ++r) {
    missing += std::isnan(resampled.classes[1][r]);
    EXPECT_NEAR(resampled.mean[r], 1, 1e-12);
  }
  EXPECT_NEAR(missing / 400.0, std::pow(11 / 12.0, 12), 0.08);
}

TEST(ResampleApTest, DoesNotDependOnTheNumberOfThreads) {
  const AveragePrecision ap = Judge(RandomScenes(3, 30), {});
  const ResampledAp one = ResampleAp(ap.judged(), {.resamples = 50});
  for (const int threads : {2, 3, 16, 200}) {
    EXPECT_EQ(ResampleAp(ap.judged(), {.resamples = 50, .threads = threads}).mean, one.mean);
  }
  EXPECT_NE(ResampleAp(ap.judged(), {.seed = 43, .resamples = 50}).mean, one.mean);
}

// One object an image, half of them found, no false positive: the area is the part of the images
// drawn that is found, so its spread is the binomial's, sqrt(p (1 - p) / n). Kills: 90 % or
// one-sided intervals, draws without replacement (no spread), of a part of the images, or of
// detections.
TEST(IntervalsOfTest, HaveTheWidthOfTheBinomialDistribution) {
  constexpr int kImages = 400;
  AveragePrecision ap({"a"}, {.ap_mode = ApMode::kIntegrate});
  for (int i = 0; i < kImages; ++i) {
    const data::Box box{0, 0, 10, 10};
    std::vector<data::Detection> found;
    if (i % 2 == 0) found.push_back({.box = box, .class_id = 1, .score = 0.5f});
    ap.Add({{.box = box, .class_id = 1}}, found);
  }
  const ApIntervals intervals = IntervalsOf(ap.judged(), {.threads = 2});
  const double half_width = 1.96 * std::sqrt(0.25 / kImages);
  EXPECT_NEAR(intervals.mean.low, 0.5 - half_width, 0.1 * half_width);
  EXPECT_NEAR(intervals.mean.high, 0.5 + half_width, 0.1 * half_width);
  EXPECT_EQ(intervals.classes[0].low, intervals.mean.low);
  EXPECT_EQ(intervals.resamples, 1000);
}

// numpy.quantile([0, 1, 2, 3, 10], [.025, .975]) = [.1, 9.3]; NaN is passed over.
TEST(PercentileIntervalTest, InterpolatesAsNumpyDoes) {
  const Interval interval = PercentileInterval({3, 0, std::nan(""), 10, 1, 2}, 0.95);
  EXPECT_NEAR(interval.low, 0.1, 1e-12);
  EXPECT_NEAR(interval.high, 9.3, 1e-12);
  EXPECT_TRUE(std::isnan(PercentileInterval({std::nan("")}, 0.95).low));
}

}  // namespace
}  // namespace trainyard::tasks
