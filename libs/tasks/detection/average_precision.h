#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard {

/// Precision over recall of one class at one IoU threshold, one point for each detection that
/// counts, by descending score. `envelope[i]` is the best precision at recall[i] or more.
struct PrCurve {
  std::vector<double> recall, precision, envelope, score;
};

/// How one class was found.
struct ClassResult {
  std::string name;
  /// Average precision: at the plan's IoU threshold; in kCoco the mean over .50, .55, ..., .95. NaN
  /// when the class has no object and the matching leaves such classes out (kVoc, kCoco).
  double ap = 0;
  /// kCoco: average precision at IoU .50; otherwise the same as `ap` of the plan's threshold.
  double ap50 = 0;
  /// Objects that are not difficult; detections that count; of those, at the plan's threshold.
  int64_t objects = 0, detections = 0, true_positives = 0, false_positives = 0;
  PrCurve curve;
};

/// How all classes were found. The mean is over all classes in kTao (a class without objects counts
/// 0), over classes with objects otherwise; 0 when there are none.
struct ApResult {
  std::vector<ClassResult> classes;
  double mean_ap = 0;
  double mean_ap50 = 0;

  /// `mAP` (primary), `AP` per class; in kCoco also `mAP50` and `AP50`. Classes with NaN are left
  /// out.
  std::vector<v1::Metric> Metrics(Matching matching) const;
};

/// A detection with what became of it at each threshold.
struct JudgedDetection {
  float score = 0;
  /// Bit t: a true positive at threshold t; and: not counted there.
  uint32_t found = 0, dropped = 0;
};

/// Collects detections and objects image by image and computes average precision. Not thread-safe.
///
/// All three matchings take an image's detections by descending score (in the order given among
/// equals) and compare with the objects of the same class only:
/// * kTao: the object with the largest IoU among those not taken yet; IoU at or above the threshold
///   takes it. Taking a difficult object drops the detection; else it is a true positive; a
///   detection that takes nothing is a false positive. So a duplicate may find the second best.
/// * kVoc: the object with the largest IoU of all; at or above the threshold a difficult object
///   drops the detection, a free one is taken, one already taken makes a false positive. Boxes are
///   continuous: no +1 pixel.
/// * kCoco: pycocotools with area range "all" and at most 100 detections a class and image;
///   `difficult` is iscrowd (overlap measured against the detection's area, taken any number of
///   times, dropped). Ten thresholds and 101 recall points; the plan's `ap_mode` is not used.
class AveragePrecision {
 public:
  /// Class i + 1 is `classes[i]`.
  AveragePrecision(std::vector<std::string> classes, const EvaluationPlan& plan);

  /// One image; objects and detections in the same pixels. Classes outside 1..n are not counted.
  void Add(absl::Span<const LabelledBox> objects, absl::Span<const Detection> detections);

  /// O(d log d) for d detections. May be called again after more images.
  ApResult Compute() const;

 private:
  struct PerClass {
    std::vector<JudgedDetection> judged;
    int64_t objects = 0;
  };
  ClassResult ComputeClass(size_t index) const;

  std::vector<std::string> classes_;
  EvaluationPlan plan_;
  /// kCoco: ten, then the plan's own; else the plan's alone.
  std::vector<double> thresholds_;
  std::vector<PerClass> per_class_;
};

}  // namespace trainyard
