#include "libs/tasks/detection/average_precision.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "libs/base/random.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr double kTolerance = 1e-12;

EvaluationPlan Plan(Matching matching, ApMode mode) {
  return {.ap_mode = mode, .matching = matching, .iou_threshold = 0.5};
}
data::LabelledBox Object(float x1, float x2, int class_id = 1, bool difficult = false) {
  return {.box = {x1, 0, x2, 10}, .class_id = class_id, .difficult = difficult};
}
data::Detection Found(float x1, float x2, float score, int class_id = 1) {
  return {.box = {x1, 0, x2, 10}, .class_id = class_id, .score = score};
}
ClassResult One(const AveragePrecision& ap) { return ap.Compute().classes[0]; }

// Three objects; by score: hit, miss, hit. Precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
AveragePrecision ThreeObjects(ApMode mode) {
  AveragePrecision ap({"a"}, Plan(Matching::kTao, mode));
  ap.Add({Object(0, 10), Object(100, 110), Object(200, 210)},
         {Found(0, 10, 0.9f), Found(50, 60, 0.8f), Found(100, 110, 0.7f)});
  return ap;
}

TEST(AveragePrecisionTest, IntegrateIsTheAreaUnderTheEnvelope) {
  const ClassResult one = One(ThreeObjects(ApMode::kIntegrate));
  EXPECT_NEAR(one.ap, 1.0 / 3 + 2.0 / 9, kTolerance);
  EXPECT_EQ(one.objects, 3);
  EXPECT_EQ(one.true_positives, 2);
  EXPECT_EQ(one.false_positives, 1);
}

// Recall >= 0, .1, .2, .3: 1 each; .4, .5, .6: 2/3 each; .7 and more: 0.
TEST(AveragePrecisionTest, SampleIsTheMeanOfElevenPoints) {
  EXPECT_NEAR(One(ThreeObjects(ApMode::kSample)).ap, (4 + 3 * 2.0 / 3) / 11, kTolerance);
}

// NumPy's linspace gives .30000000000000004 for the fourth point, so recall 3/10 does not reach it.
TEST(AveragePrecisionTest, SamplePointsAreNumpysToTheLastBit) {
  AveragePrecision ap({"a"}, Plan(Matching::kTao, ApMode::kSample));
  std::vector<data::LabelledBox> objects;
  for (int i = 0; i < 10; ++i) objects.push_back(Object(100.0f * i, 100.0f * i + 10));
  ap.Add(objects, {Found(0, 10, 0.9f), Found(100, 110, 0.8f), Found(200, 210, 0.7f)});
  EXPECT_NEAR(One(ap).ap, 3.0 / 11, kTolerance);
}

// A duplicate of the best match may find the second best object in TAO, not in VOC.
TEST(AveragePrecisionTest, ADuplicateFindsTheSecondBestObjectInTaoOnly) {
  const std::vector<data::LabelledBox> objects = {Object(0, 10), Object(2, 12)};
  const std::vector<data::Detection> found = {Found(0, 10, 0.9f), Found(0.1f, 10.1f, 0.8f)};
  AveragePrecision tao({"a"}, Plan(Matching::kTao, ApMode::kIntegrate));
  tao.Add(objects, found);
  EXPECT_EQ(One(tao).true_positives, 2);
  AveragePrecision voc({"a"}, Plan(Matching::kVoc, ApMode::kIntegrate));
  voc.Add(objects, found);
  EXPECT_EQ(One(voc).true_positives, 1);
  EXPECT_EQ(One(voc).false_positives, 1);
}

TEST(AveragePrecisionTest, ADifficultObjectCountsNeitherForNorAgainst) {
  for (const Matching matching : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    AveragePrecision ap({"a"}, Plan(matching, ApMode::kIntegrate));
    ap.Add({Object(0, 10), Object(100, 110, 1, true)}, {Found(100, 110, 0.9f), Found(0, 10, 0.8f)});
    EXPECT_EQ(One(ap).objects, 1);
    EXPECT_EQ(One(ap).detections, 1);
    EXPECT_NEAR(One(ap).ap, 1, 1e-9);
  }
}

// In TAO a difficult object is taken like any other: its second detection is false.
TEST(AveragePrecisionTest, ADifficultObjectIsTakenOnceInTaoAndAnyNumberOfTimesInVoc) {
  const std::vector<data::LabelledBox> objects = {Object(0, 10, 1, true), Object(100, 110)};
  const std::vector<data::Detection> found = {Found(0, 10, 0.9f), Found(0, 10, 0.8f)};
  AveragePrecision tao({"a"}, Plan(Matching::kTao, ApMode::kIntegrate));
  tao.Add(objects, found);
  EXPECT_EQ(One(tao).false_positives, 1);
  AveragePrecision voc({"a"}, Plan(Matching::kVoc, ApMode::kIntegrate));
  voc.Add(objects, found);
  EXPECT_EQ(One(voc).false_positives, 0);
}

TEST(AveragePrecisionTest, AnOverlapOfExactlyTheThresholdCounts) {
  AveragePrecision ap({"a"}, Plan(Matching::kTao, ApMode::kIntegrate));
  ap.Add({Object(0, 10)}, {Found(0, 20, 0.9f)});  // 100 / 200
  EXPECT_EQ(One(ap).true_positives, 1);
}

TEST(AveragePrecisionTest, ClassesDoNotMeet) {
  AveragePrecision ap({"a", "b"}, Plan(Matching::kTao, ApMode::kIntegrate));
  ap.Add({Object(0, 10, 1)}, {Found(0, 10, 0.9f, 2), Found(0, 10, 0.5f, 1), Found(0, 10, 1, 7)});
  const ApResult result = ap.Compute();
  EXPECT_EQ(result.classes[0].true_positives, 1);
  EXPECT_EQ(result.classes[1].false_positives, 1);
}

// A class without objects counts 0 in TAO and is left out elsewhere.
TEST(AveragePrecisionTest, AClassWithoutObjectsIsZeroInTaoAndLeftOutElsewhere) {
  for (const Matching matching : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    AveragePrecision ap({"a", "b"}, Plan(matching, ApMode::kIntegrate));
    ap.Add({Object(0, 10)}, {Found(0, 10, 0.9f)});
    const ApResult result = ap.Compute();
    const bool tao = matching == Matching::kTao;
    EXPECT_NEAR(result.mean_ap, tao ? 0.5 : 1, 1e-9);
    EXPECT_EQ(std::isnan(result.classes[1].ap), !tao);
    EXPECT_EQ(result.Metrics(matching).size(), tao ? 3u : matching == Matching::kVoc ? 2u : 4u);
  }
}

TEST(AveragePrecisionTest, NothingAtAllIsZero) {
  for (const ApMode mode : {ApMode::kSample, ApMode::kIntegrate}) {
    const AveragePrecision ap({"a"}, Plan(Matching::kTao, mode));
    EXPECT_EQ(ap.Compute().mean_ap, 0);
    EXPECT_EQ(AveragePrecision({}, Plan(Matching::kTao, mode)).Compute().mean_ap, 0);
  }
}

TEST(AveragePrecisionTest, TheMeanIsThePrimaryMetric) {
  AveragePrecision ap({"a"}, Plan(Matching::kTao, ApMode::kIntegrate));
  const auto metrics = ap.Compute().Metrics(Matching::kTao);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name(), "mAP");
  EXPECT_TRUE(metrics[0].primary());
  EXPECT_TRUE(metrics[0].higher_is_better());
  EXPECT_EQ(metrics[1].name(), "AP");
  EXPECT_EQ(metrics[1].class_name(), "a");
}

// The VOC devkit's procedure, over plain lists: slow and obvious.
struct Image {
  std::vector<data::LabelledBox> objects;
  std::vector<data::Detection> detections;
};

double Overlap(const data::Box& a, const data::Box& b) {
  const double w = std::max(0.0, std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1));
  const double h = std::max(0.0, std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1));
  const double areas =
      (double{a.x2} - a.x1) * (double{a.y2} - a.y1) + (double{b.x2} - b.x1) * (double{b.y2} - b.y1);
  return w * h / (areas - w * h);
}

double SlowVocAp(const std::vector<Image>& images, int class_id, bool eleven_points) {
  struct Row {
    size_t image;
    data::Detection detection;
  };
  std::vector<Row> rows;
  double positives = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    for (const auto& d : images[i].detections) {
      if (d.class_id == class_id) rows.push_back({i, d});
    }
    for (const auto& o : images[i].objects) positives += o.class_id == class_id && !o.difficult;
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.detection.score > b.detection.score;
  });
  std::set<std::pair<size_t, size_t>> detected;
  std::vector<double> recall, precision;
  double tp = 0, fp = 0;
  for (const Row& row : rows) {
    const auto& objects = images[row.image].objects;
    double best = -1;
    size_t at = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      if (objects[i].class_id != class_id) continue;
      const double overlap = Overlap(row.detection.box, objects[i].box);
      if (overlap > best) best = overlap, at = i;
    }
    if (best >= 0.5 && objects[at].difficult) continue;
    const bool hit = best >= 0.5 && detected.insert({row.image, at}).second;
    (hit ? tp : fp) += 1;
    recall.push_back(tp / positives);
    precision.push_back(tp / (tp + fp));
  }
  if (eleven_points) {
    double sum = 0;
    for (int t = 0; t <= 10; ++t) {
      double best = 0;
      for (size_t i = 0; i < recall.size(); ++i) {
        if (recall[i] >= t * 0.1) best = std::max(best, precision[i]);
      }
      sum += best / 11;
    }
    return sum;
  }
  recall.insert(recall.begin(), 0);
  precision.insert(precision.begin(), 0);
  recall.push_back(1);
  precision.push_back(0);
  for (size_t i = precision.size() - 1; i > 0; --i) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  double area = 0;
  for (size_t i = 1; i < recall.size(); ++i) area += (recall[i] - recall[i - 1]) * precision[i];
  return area;
}

std::vector<Image> RandomImages(uint64_t seed) {
  std::vector<Image> images(12);
  for (size_t i = 0; i < images.size(); ++i) {
    Philox random(seed, 0, i, RandomPurpose::kSampleData);
    for (uint64_t n = random.Below(8); n > 0; --n) {
      const auto x = static_cast<float>(random.Uniform(0, 80));
      images[i].objects.push_back(
          Object(x, x + 20, static_cast<int>(1 + random.Below(2)), random.Chance(0.2)));
      for (uint64_t d = random.Below(3); d > 0; --d) {
        const float shift = x + static_cast<float>(random.Uniform(-12, 12));
        images[i].detections.push_back(Found(shift, shift + 20,
                                             static_cast<float>(random.Uniform()),
                                             static_cast<int>(1 + random.Below(2))));
      }
    }
  }
  return images;
}

TEST(AveragePrecisionTest, VocAgreesWithTheSlowReference) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Image> images = RandomImages(seed);
    for (const ApMode mode : {ApMode::kSample, ApMode::kIntegrate}) {
      AveragePrecision ap({"a", "b"}, Plan(Matching::kVoc, mode));
      for (const Image& image : images) ap.Add(image.objects, image.detections);
      const ApResult result = ap.Compute();
      for (int c = 1; c <= 2; ++c) {
        EXPECT_NEAR(result.classes[c - 1].ap, SlowVocAp(images, c, mode == ApMode::kSample),
                    kTolerance)
            << "seed " << seed;
      }
    }
  }
}

// TAO's procedure of reference 6.2, word by word: missed objects are entries of score 0, curves run
// over all entries, AP is taken from whole curves.
double SlowTaoAp(const std::vector<Image>& images, int class_id, bool sample) {
  struct Entry {
    double score;
    bool positive;
  };
  std::vector<Entry> entries;
  for (const Image& image : images) {
    std::vector<data::LabelledBox> objects;
    for (const auto& o : image.objects) {
      if (o.class_id == class_id) objects.push_back(o);
    }
    std::vector<bool> matched(objects.size(), false);
    auto detections = image.detections;
    std::stable_sort(detections.begin(), detections.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    for (const data::Detection& d : detections) {
      if (d.class_id != class_id) continue;
      double best = 0;
      size_t at = 0;
      for (size_t i = 0; i < objects.size(); ++i) {
        const double iou = matched[i] ? 0 : Overlap(d.box, objects[i].box);
        if (iou > best) best = iou, at = i;
      }
      if (best < 0.5) {
        entries.push_back({d.score, false});
      } else {
        matched[at] = true;
        if (!objects[at].difficult) entries.push_back({d.score, true});
      }
    }
    for (size_t i = 0; i < objects.size(); ++i) {
      if (!matched[i] && !objects[i].difficult) entries.push_back({0, true});
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.score > b.score; });
  double positives = 0, tp = 0, fp = 0;
  for (const Entry& e : entries) positives += e.positive;
  std::vector<double> recall = {0}, precision = {0};
  for (const Entry& e : entries) {
    tp += e.positive && e.score > 0;
    fp += !e.positive;
    precision.push_back(tp + fp == 0 ? 0 : tp / (tp + fp));
    recall.push_back(positives == 0 ? 0 : tp / positives);
  }
  double ap = 0;
  if (sample) {
    for (int t = 0; t <= 10; ++t) {
      double best = 0;
      for (size_t i = 1; i < recall.size(); ++i) {
        if (recall[i] >= t * 0.1) best = std::max(best, precision[i]);
      }
      ap += best / 11;
    }
    return ap;
  }
  recall.push_back(1);
  precision.push_back(0);
  for (size_t i = precision.size() - 1; i > 0; --i) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  for (size_t i = 1; i < recall.size(); ++i) ap += (recall[i] - recall[i - 1]) * precision[i];
  return ap;
}

TEST(AveragePrecisionTest, TaoAgreesWithTheSlowReference) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Image> images = RandomImages(seed);
    for (const ApMode mode : {ApMode::kSample, ApMode::kIntegrate}) {
      AveragePrecision ap({"a", "b", "none"}, Plan(Matching::kTao, mode));
      for (const Image& image : images) ap.Add(image.objects, image.detections);
      const ApResult result = ap.Compute();
      for (int c = 1; c <= 3; ++c) {
        EXPECT_NEAR(result.classes[c - 1].ap, SlowTaoAp(images, c, mode == ApMode::kSample),
                    kTolerance)
            << "seed " << seed;
      }
    }
  }
}

TEST(MatchingFromNameTest, KnowsThreeNames) {
  EXPECT_EQ(MatchingFromName("").value(), Matching::kTao);
  for (const Matching one : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    EXPECT_EQ(MatchingFromName(NameOf(one)).value(), one);
  }
  EXPECT_THAT(MatchingFromName("pascal"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'pascal'; expected tao, voc or coco")));
}

}  // namespace
}  // namespace trainyard::tasks
