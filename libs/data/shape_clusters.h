#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace trainyard::data {

/// Width and height of objects, in one unit for both, and how much they count. All > 0 and finite.
struct BoxShape {
  double width = 0, height = 0, weight = 1;
};

/// Intersection over union of two boxes of one centre.
double ShapeIoU(const BoxShape& a, const BoxShape& b);

struct ShapeClusters {
  /// From the smallest area to the largest; `weight` is the share of all weight, so that they add to 1.
  std::vector<BoxShape> centres;
  /// Weighted mean of each shape's IoU with its centre.
  double mean_iou = 0;
};

/// Clusters shapes by k-means with the distance 1 - IoU, which treats small and large boxes alike: the
/// best of a few runs from centres that are drawn far apart (k-means++). At most `count` clusters, fewer
/// when there are fewer distinct shapes; none of no shapes. A pure function; O(shapes * count) a round.
///
/// Source: Redmon and Farhadi, arXiv:1612.08242, section 2 (dimension clusters); Arthur and
/// Vassilvitskii, "k-means++" (2007).
ShapeClusters ClusterShapes(absl::Span<const BoxShape> shapes, int count, uint64_t seed);

}  // namespace trainyard::data
