#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"

namespace trainyard::tasks {

/// Which class objects are taken for. Not thread-safe.
///
/// Of an image, the detections that score at or above `score_threshold` and the objects are paired,
/// whatever their classes: of all pairs with an IoU at or above `iou_threshold` the one of the
/// largest IoU first (then the higher score, then the order given), each object and each detection
/// once. What is left was missed, or found on background. A detection that is left and overlaps a
/// difficult object that much counts neither way, nor does the object.
class DetectionConfusion {
 public:
  DetectionConfusion(int classes, double iou_threshold, double score_threshold);

  /// The next image. Classes outside 1..n are not counted. O(objects x detections).
  void Add(absl::Span<const data::LabelledBox> objects,
           absl::Span<const data::Detection> detections);

  /// counts()[truth][found], n + 1 of both: class 1..n at 0..n-1, the last is background: a row of
  /// detections of nothing, a column of objects that were missed.
  const std::vector<std::vector<int64_t>>& counts() const { return counts_; }

  /// `{"iou": 0.5, "score": 0.3, "labels": ["nut", "background"], "counts": [[...], ...]}`.
  std::string Json(const std::vector<std::string>& classes) const;

 private:
  double iou_threshold_, score_threshold_;
  std::vector<std::vector<int64_t>> counts_;
};

}  // namespace trainyard::tasks
