#include "libs/tasks/detection/average_precision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/string_view.h"

namespace trainyard::tasks {
namespace {

constexpr size_t kCocoDetections = 100;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// What an image has of one class, with the places where it was given.
struct ClassPart {
  ClassObjects objects;
  std::vector<size_t> object_places, detection_places;
};

std::vector<ClassPart> SplitByClass(size_t classes, absl::Span<const data::LabelledBox> objects,
                                    absl::Span<const data::Detection> detections,
                                    const OutOfRange* outside) {
  std::vector<ClassPart> parts(classes);
  const auto known = [&](int class_id) {
    return class_id >= 1 && class_id <= static_cast<int>(classes);
  };
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!known(objects[i].class_id)) continue;
    ClassPart& part = parts[objects[i].class_id - 1];
    part.objects.boxes.push_back(objects[i].box);
    part.objects.crowd.push_back(objects[i].difficult);
    part.objects.ignored.push_back(objects[i].difficult ||
                                   (outside != nullptr && outside->objects[i]));
    part.object_places.push_back(i);
  }
  for (size_t i = 0; i < detections.size(); ++i) {
    if (known(detections[i].class_id)) {
      parts[detections[i].class_id - 1].detection_places.push_back(i);
    }
  }
  return parts;
}

// The detections at `places`, best first; `places` is brought into that order, and cut.
std::vector<data::Detection> BestFirst(Matching matching,
                                       absl::Span<const data::Detection> detections,
                                       std::vector<size_t>& places) {
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return detections[a].score > detections[b].score; });
  if (matching == Matching::kCoco && places.size() > kCocoDetections) {
    places.resize(kCocoDetections);
  }
  std::vector<data::Detection> found;
  for (const size_t place : places) found.push_back(detections[place]);
  return found;
}

Verdict VerdictAt(uint32_t found, uint32_t dropped, size_t t) {
  if (dropped >> t & 1) return Verdict::kDropped;
  return found >> t & 1 ? Verdict::kTruePositive : Verdict::kFalsePositive;
}

// The curve at threshold `t` of detections by descending score.
PrCurve CurveOf(const std::vector<const JudgedDetection*>& order, size_t t, int64_t objects) {
  PrCurve curve;
  int64_t found = 0, counted = 0;
  for (const JudgedDetection* one : order) {
    if (one->dropped >> t & 1) continue;
    found += one->found >> t & 1;
    ++counted;
    curve.score.push_back(one->score);
    curve.precision.push_back(static_cast<double>(found) / static_cast<double>(counted));
    curve.recall.push_back(objects == 0 ? 0 : static_cast<double>(found) / objects);
  }
  FillEnvelope(curve);
  return curve;
}

ClassResult ComputeClass(const JudgedSet& set, const JudgedClass& own) {
  const std::vector<const JudgedDetection*> order = own.ByScore();
  ClassResult result{.name = own.name, .objects = own.TotalObjects()};
  result.curve = CurveOf(order, set.plan_bit(), result.objects);
  result.detections = static_cast<int64_t>(result.curve.score.size());
  result.true_positives = std::count_if(order.begin(), order.end(), [&](const auto* one) {
    return one->found >> set.plan_bit() & 1;
  });
  result.false_positives = result.detections - result.true_positives;
  if (result.objects == 0 && set.matching != Matching::kTao) {
    result.ap = result.ap50 = kNan;
  } else if (set.matching == Matching::kCoco) {
    for (size_t t = 0; t < set.ap_thresholds(); ++t) {
      const double ap = ApOf(set, CurveOf(order, t, result.objects));
      result.ap += ap / static_cast<double>(set.ap_thresholds());
      if (t == 0) result.ap50 = ap;
    }
  } else {
    result.ap = result.ap50 = ApOf(set, result.curve);
  }
  return result;
}

// Mean over the classes that have a number; 0 when none has.
double MeanOf(const std::vector<ClassResult>& classes, double ClassResult::*value) {
  double sum = 0;
  int count = 0;
  for (const ClassResult& one : classes) {
    if (std::isnan(one.*value)) continue;
    sum += one.*value;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

trainyard::v1::Metric MakeMetric(absl::string_view name, absl::string_view class_name, double value,
                                 bool primary) {
  trainyard::v1::Metric metric;
  metric.set_name(std::string(name));
  metric.set_class_name(std::string(class_name));
  metric.set_value(value);
  metric.set_higher_is_better(true);
  metric.set_primary(primary);
  return metric;
}

}  // namespace

std::vector<trainyard::v1::Metric> ApResult::Metrics(Matching matching) const {
  std::vector<trainyard::v1::Metric> metrics = {MakeMetric("mAP", "", mean_ap, true)};
  const bool coco = matching == Matching::kCoco;
  if (coco) metrics.push_back(MakeMetric("mAP50", "", mean_ap50, false));
  for (const ClassResult& one : classes) {
    if (std::isnan(one.ap)) continue;
    metrics.push_back(MakeMetric("AP", one.name, one.ap, false));
    if (coco) metrics.push_back(MakeMetric("AP50", one.name, one.ap50, false));
  }
  return metrics;
}

AveragePrecision::AveragePrecision(std::vector<std::string> classes, const EvaluationPlan& plan)
    : set_{.matching = plan.matching, .ap_mode = plan.ap_mode, .thresholds = ThresholdsOf(plan)} {
  for (std::string& name : classes) set_.classes.push_back({.name = std::move(name)});
}

ImageVerdicts AveragePrecision::Add(absl::Span<const data::LabelledBox> objects,
                                    absl::Span<const data::Detection> detections,
                                    const OutOfRange* outside) {
  ImageVerdicts verdicts{.detections = std::vector(detections.size(), Verdict::kDropped),
                         .found_score = std::vector(objects.size(), -1.0f)};
  std::vector<ClassPart> parts = SplitByClass(set_.classes.size(), objects, detections, outside);
  const uint32_t all = (uint32_t{2} << set_.plan_bit()) - 1;
  for (size_t c = 0; c < parts.size(); ++c) {
    ClassPart& part = parts[c];
    JudgedClass& own = set_.classes[c];
    const std::vector<data::Detection> found =
        BestFirst(set_.matching, detections, part.detection_places);
    const ClassMatches matches = MatchBoxes(set_.matching, set_.thresholds, part.objects, found);
    for (size_t i = 0; i < found.size(); ++i) {
      const size_t place = part.detection_places[i];
      uint32_t dropped = matches.dropped[i];
      if (outside != nullptr && outside->detections[place]) dropped |= all & ~matches.found[i];
      // What counts nowhere need not be kept.
      if (dropped != all) {
        own.detections.push_back({.score = found[i].score,
                                  .image = set_.images,
                                  .found = matches.found[i],
                                  .dropped = dropped});
      }
      verdicts.detections[place] = VerdictAt(matches.found[i], dropped, set_.plan_bit());
    }
    for (size_t i = 0; i < matches.taken_by.size(); ++i) {
      const int taken_by = matches.taken_by[i];
      if (taken_by >= 0) verdicts.found_score[part.object_places[i]] = found[taken_by].score;
    }
    const auto counted = static_cast<uint32_t>(
        std::count(part.objects.ignored.begin(), part.objects.ignored.end(), false));
    if (counted > 0) own.objects.push_back({.image = set_.images, .objects = counted});
  }
  ++set_.images;
  return verdicts;
}

ApResult ComputeAp(const JudgedSet& set) {
  ApResult result;
  for (const JudgedClass& own : set.classes) result.classes.push_back(ComputeClass(set, own));
  result.mean_ap = MeanOf(result.classes, &ClassResult::ap);
  result.mean_ap50 = MeanOf(result.classes, &ClassResult::ap50);
  return result;
}

}  // namespace trainyard::tasks
