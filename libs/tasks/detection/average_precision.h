#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/detection/judged_set.h"
#include "libs/tasks/detection/match_boxes.h"
#include "libs/tasks/detection/precision_curve.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::tasks {

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
  std::vector<trainyard::v1::Metric> Metrics(Matching matching) const;
};

/// O(d log d) for d detections. Pure.
ApResult ComputeAp(const JudgedSet& set);

/// What became of one image at the plan's own threshold, in the order in which it was given.
struct ImageVerdicts {
  /// kDropped also for what no rule looks at: another class, more than COCO's 100.
  std::vector<Verdict> detections;
  /// Of each object, the score of the detection that took it; -1 = none did.
  std::vector<float> found_score;
};

/// What of an image lies outside of the range that is asked for, in the order of its objects and
/// detections. Such an object counts as a difficult one (in kCoco it is no crowd, though), and such
/// a detection, when it finds nothing, is no false positive. Source: pycocotools' area ranges.
struct OutOfRange {
  std::vector<bool> objects, detections;
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

  /// The next image; objects and detections in the same pixels. Classes outside 1..n are not
  /// counted. `outside`: null = everything is asked for.
  ImageVerdicts Add(absl::Span<const data::LabelledBox> objects,
                    absl::Span<const data::Detection> detections,
                    const OutOfRange* outside = nullptr);

  /// ComputeAp of what was added so far.
  ApResult Compute() const { return ComputeAp(set_); }
  /// What was added so far.
  const JudgedSet& judged() const { return set_; }

 private:
  JudgedSet set_;
};

}  // namespace trainyard::tasks
