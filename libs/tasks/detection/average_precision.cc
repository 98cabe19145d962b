#include "libs/tasks/detection/average_precision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/string_view.h"

namespace trainyard {
namespace {

constexpr int kCocoThresholds = 10;
constexpr size_t kCocoDetections = 100;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// In double, as the reference tools compute it from the same corners.
double Intersection(const Box& a, const Box& b) {
  const double w = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1);
  const double h = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1);
  return w <= 0 || h <= 0 ? 0 : w * h;
}
double AreaOf(const Box& box) { return (double{box.x2} - box.x1) * (double{box.y2} - box.y1); }
double PreciseIoU(const Box& a, const Box& b) {
  const double both = Intersection(a, b);
  return both == 0 ? 0 : both / (AreaOf(a) + AreaOf(b) - both);
}
// COCO: what of the detection lies in the crowd.
double CrowdOverlap(const Box& detection, const Box& crowd) {
  const double both = Intersection(detection, crowd);
  return both == 0 ? 0 : both / AreaOf(detection);
}

// What became of a detection at one threshold.
enum class Verdict { kFalsePositive, kTruePositive, kDropped };

// The objects of one class in one image, and which are taken.
struct Objects {
  std::vector<Box> boxes;
  std::vector<bool> difficult;
  std::vector<bool> taken;
};

Verdict Take(Objects& objects, size_t index) {
  objects.taken[index] = true;
  return objects.difficult[index] ? Verdict::kDropped : Verdict::kTruePositive;
}

// TAO: taken objects are out of the race, so a duplicate may find the second best.
Verdict JudgeTao(Objects& objects, const Box& box, double threshold) {
  size_t best = 0;
  double best_iou = -1;
  for (size_t i = 0; i < objects.boxes.size(); ++i) {
    const double iou = objects.taken[i] ? 0 : PreciseIoU(box, objects.boxes[i]);
    if (iou > best_iou) best = i, best_iou = iou;
  }
  return best_iou >= threshold ? Take(objects, best) : Verdict::kFalsePositive;
}

// VOC: the best object counts, taken or not; difficult ones may be found any number of times.
Verdict JudgeVoc(Objects& objects, const Box& box, double threshold) {
  size_t best = 0;
  double best_iou = -1;
  for (size_t i = 0; i < objects.boxes.size(); ++i) {
    const double iou = PreciseIoU(box, objects.boxes[i]);
    if (iou > best_iou) best = i, best_iou = iou;
  }
  if (best_iou < threshold) return Verdict::kFalsePositive;
  if (objects.difficult[best]) return Verdict::kDropped;
  return objects.taken[best] ? Verdict::kFalsePositive : Take(objects, best);
}

// COCO: free objects first (the last among equals), crowds only when no object fits.
Verdict JudgeCoco(Objects& objects, const Box& box, double threshold) {
  double best_iou = std::min(threshold, 1 - 1e-10);
  int best = -1;
  for (size_t i = 0; i < objects.boxes.size(); ++i) {
    if (objects.difficult[i] || objects.taken[i]) continue;
    const double iou = PreciseIoU(box, objects.boxes[i]);
    if (iou >= best_iou) best = static_cast<int>(i), best_iou = iou;
  }
  if (best >= 0) return Take(objects, best);
  for (size_t i = 0; i < objects.boxes.size(); ++i) {
    if (objects.difficult[i] && CrowdOverlap(box, objects.boxes[i]) >= best_iou) {
      return Verdict::kDropped;
    }
  }
  return Verdict::kFalsePositive;
}

Verdict Judge(Matching matching, Objects& objects, const Box& box, double threshold) {
  switch (matching) {
    case Matching::kVoc:
      return JudgeVoc(objects, box, threshold);
    case Matching::kCoco:
      return JudgeCoco(objects, box, threshold);
    case Matching::kTao:
      break;
  }
  return JudgeTao(objects, box, threshold);
}

// NumPy's linspace(0, last, count)[i]; the same rounding decides whether a recall reaches a point.
double SamplePoint(int i, int count) { return i == count - 1 ? 1.0 : i * (1.0 / (count - 1)); }

// Mean over `count` recall points of the best precision there or beyond; 0 where recall never
// comes.
double SampledAp(const PrCurve& curve, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) {
    const auto at =
        std::lower_bound(curve.recall.begin(), curve.recall.end(), SamplePoint(i, count));
    if (at != curve.recall.end()) sum += curve.envelope[at - curve.recall.begin()];
  }
  return sum / count;
}

double IntegratedAp(const PrCurve& curve) {
  double area = 0, previous = 0;
  for (size_t i = 0; i < curve.recall.size(); ++i) {
    area += (curve.recall[i] - previous) * curve.envelope[i];
    previous = curve.recall[i];
  }
  return area;
}

void FillEnvelope(PrCurve& curve) {
  curve.envelope = curve.precision;
  for (size_t i = curve.envelope.size(); i-- > 1;) {
    curve.envelope[i - 1] = std::max(curve.envelope[i - 1], curve.envelope[i]);
  }
}

// Judges one image's detections of a class at every threshold and appends them to `judged`.
void JudgeClass(Matching matching, const std::vector<double>& thresholds, Objects& objects,
                std::vector<Detection> found, std::vector<JudgedDetection>& judged) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (matching == Matching::kCoco && found.size() > kCocoDetections) found.resize(kCocoDetections);
  const size_t first = judged.size();
  for (const Detection& one : found) judged.push_back({.score = one.score});
  for (size_t t = 0; t < thresholds.size(); ++t) {
    objects.taken.assign(objects.boxes.size(), false);
    for (size_t i = 0; i < found.size(); ++i) {
      const Verdict verdict = Judge(matching, objects, found[i].box, thresholds[t]);
      judged[first + i].found |= uint32_t{verdict == Verdict::kTruePositive} << t;
      judged[first + i].dropped |= uint32_t{verdict == Verdict::kDropped} << t;
    }
  }
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

v1::Metric MakeMetric(absl::string_view name, absl::string_view class_name, double value,
                      bool primary) {
  v1::Metric metric;
  metric.set_name(std::string(name));
  metric.set_class_name(std::string(class_name));
  metric.set_value(value);
  metric.set_higher_is_better(true);
  metric.set_primary(primary);
  return metric;
}

}  // namespace

std::vector<v1::Metric> ApResult::Metrics(Matching matching) const {
  std::vector<v1::Metric> metrics = {MakeMetric("mAP", "", mean_ap, true)};
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
    : classes_(std::move(classes)), plan_(plan), per_class_(classes_.size()) {
  if (plan.matching == Matching::kCoco) {
    // NumPy's linspace(.5, .95, 10), to the last bit.
    const double step = (0.95 - 0.5) / (kCocoThresholds - 1);
    for (int i = 0; i + 1 < kCocoThresholds; ++i) thresholds_.push_back(0.5 + i * step);
    thresholds_.push_back(0.95);
  }
  thresholds_.push_back(plan.iou_threshold);
}

void AveragePrecision::Add(absl::Span<const LabelledBox> objects,
                           absl::Span<const Detection> detections) {
  const auto known = [&](int class_id) {
    return class_id >= 1 && class_id <= static_cast<int>(classes_.size());
  };
  std::vector<Objects> objects_of(classes_.size());
  for (const LabelledBox& object : objects) {
    if (!known(object.class_id)) continue;
    Objects& own = objects_of[object.class_id - 1];
    own.boxes.push_back(object.box);
    own.difficult.push_back(object.difficult);
    per_class_[object.class_id - 1].objects += !object.difficult;
  }
  std::vector<std::vector<Detection>> found(classes_.size());
  for (const Detection& one : detections) {
    if (known(one.class_id)) found[one.class_id - 1].push_back(one);
  }
  for (size_t c = 0; c < classes_.size(); ++c) {
    JudgeClass(plan_.matching, thresholds_, objects_of[c], std::move(found[c]),
               per_class_[c].judged);
  }
}

ClassResult AveragePrecision::ComputeClass(size_t index) const {
  const PerClass& own = per_class_[index];
  std::vector<const JudgedDetection*> order;
  for (const JudgedDetection& one : own.judged) order.push_back(&one);
  std::stable_sort(
      order.begin(), order.end(),
      [](const JudgedDetection* a, const JudgedDetection* b) { return a->score > b->score; });

  ClassResult result{.name = classes_[index], .objects = own.objects};
  result.curve = CurveOf(order, thresholds_.size() - 1, own.objects);
  result.detections = static_cast<int64_t>(result.curve.score.size());
  result.true_positives = std::count_if(order.begin(), order.end(), [&](const auto* one) {
    return one->found >> (thresholds_.size() - 1) & 1;
  });
  result.false_positives = result.detections - result.true_positives;
  if (own.objects == 0 && plan_.matching != Matching::kTao) {
    result.ap = result.ap50 = kNan;
  } else if (plan_.matching == Matching::kCoco) {
    for (int t = 0; t < kCocoThresholds; ++t) {
      const double ap = SampledAp(CurveOf(order, t, own.objects), 101);
      result.ap += ap / kCocoThresholds;
      if (t == 0) result.ap50 = ap;
    }
  } else {
    result.ap =
        plan_.ap_mode == ApMode::kSample ? SampledAp(result.curve, 11) : IntegratedAp(result.curve);
    result.ap50 = result.ap;
  }
  return result;
}

ApResult AveragePrecision::Compute() const {
  ApResult result;
  for (size_t c = 0; c < classes_.size(); ++c) result.classes.push_back(ComputeClass(c));
  result.mean_ap = MeanOf(result.classes, &ClassResult::ap);
  result.mean_ap50 = MeanOf(result.classes, &ClassResult::ap50);
  return result;
}

}  // namespace trainyard
