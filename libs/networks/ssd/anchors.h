#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/box.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// A default box: centre and size, and the same box by its corners. Normalised: x by the width of
/// the network input, y by its height. Corners may leave [0, 1] unless the head clips.
struct Anchor {
  double cx = 0, cy = 0, w = 0, h = 0;
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// Where the anchors of one prediction map lie in the list, for look-ups by position.
struct AnchorMap {
  /// Index of the map's first anchor. Row r, column c, box b has index
  /// first + (r * width + c) * boxes + b.
  int64_t first = 0;
  int64_t height = 0, width = 0, boxes = 0;
  /// Centre of cell (r, c): ((offset_x + c) * step_x, (offset_y + r) * step_y), normalised.
  double step_x = 0, step_y = 0, offset_x = 0, offset_y = 0;
  /// Size of the largest box of a cell, before clipping, normalised.
  double max_w = 0, max_h = 0;
};

/// All anchors of a head, in the order of the network's outputs: map, row, column, box.
struct AnchorSet {
  std::vector<Anchor> anchors;
  std::vector<AnchorMap> maps;
  int64_t size() const { return static_cast<int64_t>(anchors.size()); }
};

/// Boxes of one cell of `map`: one a ratio, and one more when the list holds exactly 1 and the head
/// has `two_boxes_for_ar1`. The prediction convolutions have this times (classes + 1), and times 4,
/// channels.
int64_t BoxesPerCell(const model::v1::SsdHead& head, const model::v1::SsdHead::Map& map);

/// Anchors of all maps: the middle dimension of both outputs. No check is made.
int64_t AnchorCount(const model::v1::SsdHead& head);

/// The head's variances: cx, cy, w, h. kInvalidArgument unless there are four, positive and finite.
absl::StatusOr<std::array<double, 4>> VariancesOf(const model::v1::SsdHead& head);

/// Makes the anchors of `head` for an input of `width` x `height` pixels. Pure; O(anchors).
///
/// Fails with kInvalidArgument, all problems in one message, when a map is empty, a scale, step or
/// ratio is not positive and finite, an offset is not finite, the input is empty, or there are more
/// than 4,000,000 anchors (checked before allocation).
///
/// Source: TAO SSD's anchor layer; Liu et al., arXiv:1512.02325, section 2.2.
absl::StatusOr<AnchorSet> MakeAnchors(const model::v1::SsdHead& head, int width, int height);

/// The same anchors as boxes in pixels of the input, in their order: for what knows no network. Fails alike.
absl::StatusOr<std::vector<data::Box>> AnchorBoxes(const model::v1::SsdHead& head, int width,
                                                   int height);

}  // namespace trainyard::networks
