#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tasks/detection/evaluation_plan.h"

namespace trainyard::tasks {

/// What became of a detection at one threshold. kDropped: counted neither way.
enum class Verdict { kFalsePositive, kTruePositive, kDropped };

/// The objects of one class in one image.
struct ClassObjects {
  std::vector<data::Box> boxes;
  /// Finding it counts neither way: a difficult object, or one that is not asked for.
  std::vector<bool> ignored;
  /// COCO's iscrowd: found any number of times. Ignored, too.
  std::vector<bool> crowd;
};

/// What became of the detections of one class in one image, and of its objects at the last
/// threshold.
struct ClassMatches {
  /// Of each detection, as they were given: bit t is for threshold t.
  std::vector<uint32_t> found, dropped;
  /// Of each object: the number of the detection that took it, -1 = none.
  std::vector<int> taken_by;
};

/// Compares `detections`, of descending score, with `objects` at each of up to 32 IoU thresholds,
/// by the rules that average_precision.h tells. O(detections x objects x thresholds) time; each
/// overlap is computed once. Pure.
ClassMatches MatchBoxes(Matching matching, absl::Span<const double> thresholds,
                        const ClassObjects& objects, absl::Span<const data::Detection> detections);

/// Intersection over union in double, as the reference tools compute it from the same corners; 0
/// when they do not meet.
double PreciseIoU(const data::Box& a, const data::Box& b);
/// In double.
double AreaOf(const data::Box& box);

}  // namespace trainyard::tasks
