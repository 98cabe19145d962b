#include "libs/networks/ssd/matching.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::networks {
namespace {

double Area(const Anchor& a) { return (a.x2 - a.x1) * (a.y2 - a.y1); }

double OverlapOf(const Anchor& a, const data::Box& b) {
  const double w = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1);
  const double h = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  const double box_area = (double{b.x2} - b.x1) * (double{b.y2} - b.y1);
  return w * h / (Area(a) + box_area - w * h);
}

// Cells [first, last] of `count` whose centre lies within `reach` of [low, high].
std::pair<int64_t, int64_t> CellsInReach(double low, double high, double reach, double step,
                                         double offset, int64_t count) {
  // One cell more on either side than the formula gives absorbs its rounding.
  const double last_cell = static_cast<double>(count - 1);
  const double first = std::floor((low - reach) / step - offset) - 1;
  const double last = std::ceil((high + reach) / step - offset) + 1;
  return {static_cast<int64_t>(std::clamp(first, 0.0, last_cell)),
          static_cast<int64_t>(std::clamp(last, 0.0, last_cell))};
}

// Calls visit(anchor, iou) for all anchors that overlap `box`, by ascending index.
template <typename Visit>
void VisitOverlaps(const AnchorSet& set, const data::Box& box, const Visit& visit) {
  for (const AnchorMap& map : set.maps) {
    const auto [first_row, last_row] =
        CellsInReach(box.y1, box.y2, map.max_h / 2, map.step_y, map.offset_y, map.height);
    const auto [first_column, last_column] =
        CellsInReach(box.x1, box.x2, map.max_w / 2, map.step_x, map.offset_x, map.width);
    for (int64_t row = first_row; row <= last_row; ++row) {
      const int64_t begin = map.first + (row * map.width + first_column) * map.boxes;
      const int64_t end = map.first + (row * map.width + last_column + 1) * map.boxes;
      for (int64_t anchor = begin; anchor < end; ++anchor) {
        const double iou = OverlapOf(set.anchors[anchor], box);
        if (iou > 0) visit(anchor, iou);
      }
    }
  }
}

// The best partner of a box or of an anchor, the first among equals; iou 0 when there is none.
struct Best {
  double iou = 0;
  int64_t partner = -1;
  void Offer(int64_t candidate, double candidate_iou) {
    if (candidate_iou > iou) iou = candidate_iou, partner = candidate;
  }
};

Best BestFreeAnchor(const AnchorSet& set, const data::Box& box,
                    const std::vector<int32_t>& matches) {
  Best best;
  VisitOverlaps(set, box, [&](int64_t anchor, double iou) {
    if (matches[anchor] == kBackgroundAnchor) best.Offer(anchor, iou);
  });
  return best;
}

// Step 1. Only a box whose best anchor was just taken looks for another.
void MatchBipartite(const AnchorSet& set, absl::Span<const data::Box> boxes, std::vector<Best> best,
                    std::vector<int32_t>& matches) {
  std::vector<bool> placed(boxes.size(), false);
  for (size_t round = 0; round < boxes.size(); ++round) {
    size_t chosen = boxes.size();
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (!placed[i] && (chosen == boxes.size() || best[i].iou > best[chosen].iou)) chosen = i;
    }
    if (best[chosen].iou == 0) break;
    placed[chosen] = true;
    const int64_t taken = best[chosen].partner;
    matches[taken] = static_cast<int32_t>(chosen);
    for (size_t i = 0; i < boxes.size(); ++i) {
      if (!placed[i] && best[i].partner == taken) best[i] = BestFreeAnchor(set, boxes[i], matches);
    }
  }
  // What overlaps no free anchor goes to anchor 0, which then belongs to the last box that claims
  // it.
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (!placed[i]) matches[0] = std::max(matches[0], static_cast<int32_t>(i));
  }
}

absl::Status CheckBox(const data::LabelledBox& labelled, size_t index) {
  const data::Box& box = labelled.box;
  const std::string text =
      absl::StrFormat("box %d (%g, %g, %g, %g)", index, box.x1, box.y1, box.x2, box.y2);
  for (const float value : {box.x1, box.y1, box.x2, box.y2}) {
    if (!std::isfinite(value)) {
      return absl::InvalidArgumentError(absl::StrCat(text, " is not finite"));
    }
  }
  if (box.x2 <= box.x1 || box.y2 <= box.y1) {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is degenerate; expected x1 < x2 and y1 < y2"));
  }
  if (labelled.class_id < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " has class ", labelled.class_id, "; expected at least 1"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<int32_t> MatchAnchors(const AnchorSet& anchors, absl::Span<const data::Box> boxes,
                                  const MatchThresholds& thresholds) {
  std::vector<int32_t> matches(anchors.anchors.size(), kBackgroundAnchor);
  if (boxes.empty() || matches.empty()) return matches;
  std::vector<Best> best_of_box(boxes.size()), best_of_anchor(matches.size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    VisitOverlaps(anchors, boxes[i], [&](int64_t anchor, double iou) {
      best_of_box[i].Offer(anchor, iou);
      best_of_anchor[anchor].Offer(static_cast<int64_t>(i), iou);
    });
  }
  MatchBipartite(anchors, boxes, std::move(best_of_box), matches);
  // Steps 2 and 3, for the anchors that step 1 left.
  for (size_t a = 0; a < matches.size(); ++a) {
    if (matches[a] != kBackgroundAnchor) continue;
    if (best_of_anchor[a].iou >= thresholds.positive_iou) {
      matches[a] = static_cast<int32_t>(best_of_anchor[a].partner);
    } else if (best_of_anchor[a].iou >= thresholds.negative_iou) {
      matches[a] = kNeutralAnchor;
    }
  }
  return matches;
}

std::array<double, 4> EncodeBox(const data::Box& box, const Anchor& anchor,
                                absl::Span<const double> variances) {
  const double cx = (double{box.x1} + box.x2) / 2, cy = (double{box.y1} + box.y2) / 2;
  const double w = double{box.x2} - box.x1, h = double{box.y2} - box.y1;
  return {(cx - anchor.cx) / (anchor.w * variances[0]),
          (cy - anchor.cy) / (anchor.h * variances[1]), std::log(w / anchor.w) / variances[2],
          std::log(h / anchor.h) / variances[3]};
}

absl::StatusOr<SsdTargetEncoder> SsdTargetEncoder::Create(const model::v1::SsdHead& head, int width,
                                                          int height,
                                                          const MatchThresholds& thresholds) {
  TY_ASSIGN_OR_RETURN(AnchorSet anchors, MakeAnchors(head, width, height));
  TY_ASSIGN_OR_RETURN(const auto variances, VariancesOf(head));
  Problems problems;
  // Written so that NaN fails too.
  if (!(thresholds.positive_iou > 0 && thresholds.positive_iou <= 1)) {
    problems.Add("positive_iou", "is %g; expected above 0 and at most 1", thresholds.positive_iou);
  }
  if (!(thresholds.negative_iou > 0 && thresholds.negative_iou <= thresholds.positive_iou)) {
    problems.Add("negative_iou", "is %g; expected above 0 and at most positive_iou (%g)",
                 thresholds.negative_iou, thresholds.positive_iou);
  }
  // Clipping may squeeze an anchor that lies outside the image to nothing; no offset leads from it.
  for (size_t i = 0; i < anchors.anchors.size() && problems.empty(); ++i) {
    if (anchors.anchors[i].w > 0 && anchors.anchors[i].h > 0) continue;
    problems.Add("ssd.clip_boxes", "squeezes anchor %d to nothing; centres must lie in the image",
                 i);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return SsdTargetEncoder(std::move(anchors), variances, width, height, thresholds);
}

absl::StatusOr<std::vector<Tensor>> SsdTargetEncoder::Encode(
    absl::Span<const data::LabelledBox> boxes) const {
  std::vector<data::Box> normalised, neutral;
  std::vector<int32_t> class_ids;
  for (size_t i = 0; i < boxes.size(); ++i) {
    TY_RETURN_IF_ERROR(CheckBox(boxes[i], i));
    const data::Box& box = boxes[i].box;
    const auto w = static_cast<float>(width_), h = static_cast<float>(height_);
    (boxes[i].neutral ? neutral : normalised)
        .push_back({box.x1 / w, box.y1 / h, box.x2 / w, box.y2 / h});
    if (!boxes[i].neutral) class_ids.push_back(boxes[i].class_id);
  }
  std::vector<int32_t> matches = MatchAnchors(anchors_, normalised, thresholds_);
  if (!neutral.empty()) {
    // What a neutral box would have, had it been learnt from, is no background.
    const std::vector<int32_t> theirs = MatchAnchors(anchors_, neutral, thresholds_);
    for (size_t a = 0; a < matches.size(); ++a) {
      if (matches[a] == kBackgroundAnchor && theirs[a] != kBackgroundAnchor) {
        matches[a] = kNeutralAnchor;
      }
    }
  }
  std::vector<Tensor> targets = {Tensor::Zeros(DType::kInt32, {anchors_.size()}),
                                 Tensor::Zeros(DType::kFloat32, {anchors_.size(), 4})};
  const absl::Span<int32_t> classes = targets[0].data<int32_t>();
  const absl::Span<float> offsets = targets[1].data<float>();
  for (size_t a = 0; a < matches.size(); ++a) {
    if (matches[a] == kNeutralAnchor) classes[a] = -1;
    if (matches[a] < 0) continue;
    classes[a] = class_ids[matches[a]];
    const auto encoded = EncodeBox(normalised[matches[a]], anchors_.anchors[a], variances_);
    std::copy(encoded.begin(), encoded.end(), offsets.begin() + static_cast<ptrdiff_t>(4 * a));
  }
  return targets;
}

}  // namespace trainyard::networks
