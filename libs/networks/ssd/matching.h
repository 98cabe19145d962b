#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/networks/ssd/anchors.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// When an anchor counts as an object, as background, or as neither.
struct MatchThresholds {
  /// An anchor whose best box overlaps it by at least this is matched to it. (0, 1].
  double positive_iou = 0.5;
  /// An anchor that is not matched and overlaps a box by at least this is neutral: it counts
  /// neither as object nor as background. (0, positive_iou]; equal to positive_iou, no anchor is
  /// neutral.
  double negative_iou = 0.5;
};

/// What MatchAnchors says of an anchor that has no box.
constexpr int32_t kBackgroundAnchor = -1;
constexpr int32_t kNeutralAnchor = -2;

/// Which of `boxes` each anchor is matched to: an index into `boxes`, kBackgroundAnchor or
/// kNeutralAnchor. `boxes` are normalised corners and not empty-sized; IoU without the +1 pixel.
///
/// 1. Greedy and bipartite: as often as there are boxes, the pair with the largest IoU among free
/// boxes
///    and free anchors is matched (the first box, then the first anchor, on ties). A box that
///    overlaps no free anchor goes to anchor 0; when several claim anchor 0, the last box has it.
/// 2. Every other anchor whose best box (the first on ties) overlaps it by `positive_iou` is
/// matched.
/// 3. What is left and overlaps a box by `negative_iou` is neutral, the rest background.
///
/// A pure function. Costs O(pairs that overlap): cells out of a box's reach are never looked at.
/// Source: TAO SSD's input encoder.
std::vector<int32_t> MatchAnchors(const AnchorSet& anchors, absl::Span<const data::Box> boxes,
                                  const MatchThresholds& thresholds);

/// Offsets of `box` (normalised corners) from `anchor`: (cx - ax) / (aw v0), (cy - ay) / (ah v1),
/// ln(w / aw) / v2, ln(h / ah) / v3. Variances in the order cx, cy, w, h.
std::array<double, 4> EncodeBox(const data::Box& box, const Anchor& anchor,
                                absl::Span<const double> variances);

/// Turns labelled boxes into SSD's training targets. Thread-safe after creation; the anchors are
/// made once.
class SsdTargetEncoder {
 public:
  /// kInvalidArgument when the head is wrong (MakeAnchors), has not four positive variances, or the
  /// thresholds break their ranges.
  static absl::StatusOr<SsdTargetEncoder> Create(const model::v1::SsdHead& head, int width,
                                                 int height, const MatchThresholds& thresholds);

  /// {i32 [A]: class of each anchor, 0 = background, -1 = neutral; f32 [A, 4]: offsets, 0 where the
  /// class is not above 0}. `boxes` are in pixels of the network input. Boxes that are `neutral`
  /// are matched after the others and by themselves: the background anchors that they would take
  /// become neutral. kInvalidArgument naming the box when it is degenerate, not finite, or its
  /// class is below 1.
  absl::StatusOr<std::vector<Tensor>> Encode(absl::Span<const data::LabelledBox> boxes) const;

  const AnchorSet& anchors() const { return anchors_; }

 private:
  SsdTargetEncoder(AnchorSet anchors, std::array<double, 4> variances, int width, int height,
                   const MatchThresholds& thresholds)
      : anchors_(std::move(anchors)),
        variances_(variances),
        width_(width),
        height_(height),
        thresholds_(thresholds) {}

  AnchorSet anchors_;
  std::array<double, 4> variances_;
  int width_, height_;
  MatchThresholds thresholds_;
};

}  // namespace trainyard::networks
