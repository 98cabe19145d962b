#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "libs/data/review/frame.h"

namespace trainyard::data {

/// Boxes of fixed places and sizes from which a network finds objects (prior boxes), in pixels of its
/// input.
struct Priors {
  std::vector<Box> boxes;
  ImageSize input;
};

/// How well the boxes of a class can be matched.
struct PriorFit {
  std::string class_name;
  int64_t boxes = 0;
  /// Boxes that a prior overlaps by at least kMatchedIoU: the others train by one prior each, which
  /// hardly fits.
  int64_t matched = 0;
  /// Boxes whose area is less than that of every prior, or more.
  int64_t smaller = 0, larger = 0;
  /// Best IoU of a box with any prior, the boxes of the class in order: at a tenth, the half and nine
  /// tenths of them.
  double iou_p10 = 0, iou_p50 = 0, iou_p90 = 0;

  double recall() const {
    return boxes == 0 ? 0 : static_cast<double>(matched) / static_cast<double>(boxes);
  }
};

inline constexpr double kMatchedIoU = 0.5;

/// The fit of every class, by name, the picture stretched to the input as networks of priors see it,
/// without augmentation. Boxes are clipped to their picture first; what nothing is left of is not
/// counted. Nothing without priors. The answer does not depend on `threads`.
std::vector<PriorFit> FitPriors(absl::Span<const ReviewFrame> frames, const Priors& priors,
                                int threads);

/// Finds the largest IoU of a box with any of a list. Immutable; any thread.
class BestPrior {
 public:
  explicit BestPrior(absl::Span<const Box> priors);
  /// 0 when nothing overlaps. Looks only at priors of areas that can still be better.
  double IoUWith(const Box& box) const;

 private:
  struct Sized {
    double area;
    Box box;
  };
  // By area.
  std::vector<Sized> priors_;
};

}  // namespace trainyard::data
