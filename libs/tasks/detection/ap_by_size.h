#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/base/json.h"
#include "libs/tasks/detection/average_precision.h"

namespace trainyard::tasks {

/// Areas of boxes in pixels of the original picture, both ends included, so that 32 x 32 is small
/// and medium. Source: COCO's evaluation (pycocotools, Params.areaRng).
struct SizeRange {
  const char* name;
  double least, most;
};
inline constexpr std::array<SizeRange, 3> kSizeRanges = {
    {{"small", 0, 32 * 32}, {"medium", 32 * 32, 96 * 96}, {"large", 96 * 96, 1e10}}};

/// Average precision over the objects of each range of sizes alone. Not thread-safe.
///
/// Objects outside of the range count as difficult ones, and detections outside of it that find
/// nothing are left out (OutOfRange). Three more judgings of every image.
class ApBySize {
 public:
  ApBySize(const std::vector<std::string>& classes, const EvaluationPlan& plan);

  /// The next image. Objects and detections in the pixels in which they are compared; their areas,
  /// in the same order, in those of the original picture.
  void Add(absl::Span<const data::LabelledBox> objects,
           absl::Span<const data::Detection> detections, absl::Span<const double> object_areas,
           absl::Span<const double> detection_areas);

  /// By kSizeRanges. A class without objects in the range has NaN, whatever the matching, and is
  /// left out of the mean; the mean is NaN when no class is left.
  std::array<ApResult, 3> Compute() const;

 private:
  std::vector<AveragePrecision> ranges_;
};

/// `{"small": {"objects": 3, "mAP": 0.5, "AP_<class>": 0.5}, ...}`.
std::string JsonOf(const std::array<ApResult, 3>& sizes);

}  // namespace trainyard::tasks
