#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/detection/precision_curve.h"

namespace trainyard::tasks {

/// A detection with what became of it at each threshold.
struct JudgedDetection {
  float score = 0;
  /// The number of its image, in the order of the evaluation.
  uint32_t image = 0;
  /// Bit t: a true positive at threshold t; and: not counted there.
  uint32_t found = 0, dropped = 0;
};

/// Objects of one class in one image that count.
struct ObjectCount {
  uint32_t image = 0, objects = 0;
};

struct JudgedClass {
  std::string name;
  /// Image by image, in each by descending score.
  std::vector<JudgedDetection> detections;
  /// Only of images that have some, in their order.
  std::vector<ObjectCount> objects;

  int64_t TotalObjects() const;
  /// The detections by descending score, in their order among equals: O(d log d).
  std::vector<const JudgedDetection*> ByScore() const;
};

/// All that precision and recall need of an evaluation: no boxes. 16 bytes a detection.
struct JudgedSet {
  Matching matching = Matching::kTao;
  ApMode ap_mode = ApMode::kSample;
  /// kCoco: its ten, then the plan's own; else the plan's alone.
  std::vector<double> thresholds;
  std::vector<JudgedClass> classes;
  uint32_t images = 0;

  /// The bit of the plan's own threshold.
  size_t plan_bit() const { return thresholds.size() - 1; }
  /// How many thresholds, from the first on, a class's average precision is the mean of.
  size_t ap_thresholds() const { return matching == Matching::kCoco ? thresholds.size() - 1 : 1; }
};

/// Average precision of a curve at one threshold, in the way of the set: 101 points of recall for
/// kCoco, else by its mode.
double ApOf(const JudgedSet& set, const PrCurve& curve);

/// The thresholds of a plan, as above.
std::vector<double> ThresholdsOf(const EvaluationPlan& plan);

}  // namespace trainyard::tasks
