#include "libs/tasks/detection/judged_set.h"

#include <algorithm>

namespace trainyard::tasks {
namespace {

constexpr int kCocoThresholds = 10;

}  // namespace

int64_t JudgedClass::TotalObjects() const {
  int64_t total = 0;
  for (const ObjectCount& one : objects) total += one.objects;
  return total;
}

std::vector<const JudgedDetection*> JudgedClass::ByScore() const {
  std::vector<const JudgedDetection*> order;
  order.reserve(detections.size());
  for (const JudgedDetection& one : detections) order.push_back(&one);
  std::stable_sort(
      order.begin(), order.end(),
      [](const JudgedDetection* a, const JudgedDetection* b) { return a->score > b->score; });
  return order;
}

double ApOf(const JudgedSet& set, const PrCurve& curve) {
  if (set.matching == Matching::kCoco) return SampledAp(curve, 101);
  return set.ap_mode == ApMode::kSample ? SampledAp(curve, 11) : IntegratedAp(curve);
}

std::vector<double> ThresholdsOf(const EvaluationPlan& plan) {
  std::vector<double> thresholds;
  if (plan.matching == Matching::kCoco) {
    // NumPy's linspace(.5, .95, 10), to the last bit.
    const double step = (0.95 - 0.5) / (kCocoThresholds - 1);
    for (int i = 0; i + 1 < kCocoThresholds; ++i) thresholds.push_back(0.5 + i * step);
    thresholds.push_back(0.95);
  }
  thresholds.push_back(plan.iou_threshold);
  return thresholds;
}

}  // namespace trainyard::tasks
