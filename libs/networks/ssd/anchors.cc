#include "libs/networks/ssd/anchors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::networks {
namespace {

using model::v1::SsdHead;

constexpr int64_t kMaxAnchors = 4'000'000;

bool PositiveFinite(double value) { return std::isfinite(value) && value > 0; }

void CheckMap(const SsdHead::Map& map, const std::string& place, Problems& problems) {
  if (map.height() < 1 || map.width() < 1) {
    problems.Add(place, "has %d x %d cells; expected at least 1 x 1", map.height(), map.width());
  }
  if (map.aspect_ratios().empty()) problems.Add(place, "has no aspect ratios");
  for (const double ratio : map.aspect_ratios()) {
    if (!PositiveFinite(ratio)) {
      problems.Add(place + ".aspect_ratios", "holds %g; expected a positive number", ratio);
    }
  }
  const std::pair<const char*, double> positive[] = {{".scale", map.scale()},
                                                     {".next_scale", map.next_scale()},
                                                     {".step_y", map.step_y()},
                                                     {".step_x", map.step_x()}};
  for (const auto& [field, value] : positive) {
    if (!PositiveFinite(value)) {
      problems.Add(place + field, "is %g; expected a positive number", value);
    }
  }
  const std::pair<const char*, double> finite[] = {{".offset_y", map.offset_y()},
                                                   {".offset_x", map.offset_x()}};
  for (const auto& [field, value] : finite) {
    if (!std::isfinite(value))
      problems.Add(place + field, "is %g; expected a finite number", value);
  }
}

absl::Status Check(const SsdHead& head, int width, int height) {
  Problems problems;
  if (width < 1 || height < 1) {
    problems.Add("preprocess", "is %d x %d pixels; expected at least 1 x 1", width, height);
  }
  if (head.maps().empty()) problems.Add("ssd.maps", "is empty; expected at least one map");
  double total = 0;  // no overflow, whatever the cells
  for (int i = 0; i < head.maps_size(); ++i) {
    const SsdHead::Map& map = head.maps(i);
    CheckMap(map, absl::StrCat("ssd.maps[", i, "]"), problems);
    total += static_cast<double>(std::max(map.height(), 0)) * std::max(map.width(), 0) *
             static_cast<double>(BoxesPerCell(head, map));
  }
  if (total > kMaxAnchors) {
    problems.Add("ssd.maps", "make %g anchors; expected at most %d", total, kMaxAnchors);
  }
  return problems.ToStatus();
}

// Width and height of each box of a cell, in pixels, in order.
std::vector<std::pair<double, double>> BoxSizes(const SsdHead& head, const SsdHead::Map& map,
                                                double shorter_side) {
  std::vector<std::pair<double, double>> sizes;
  for (const double ratio : map.aspect_ratios()) {
    const double side = map.scale() * shorter_side;
    sizes.emplace_back(side * std::sqrt(ratio), side / std::sqrt(ratio));
    if (ratio == 1.0 && head.two_boxes_for_ar1()) {
      const double second = std::sqrt(map.scale() * map.next_scale()) * shorter_side;
      sizes.emplace_back(second, second);
    }
  }
  return sizes;
}

// TAO's rule: a coordinate at the border or beyond becomes the last pixel, not the border.
double Clip(double value, double size) {
  if (value >= size) return size - 1;
  return value < 0 ? 0 : value;
}

// The anchor of corners in pixels. Centre and size follow the corners, so clipping moves them too.
Anchor FromCorners(double x1, double y1, double x2, double y2, double width, double height) {
  Anchor anchor{.x1 = x1 / width, .y1 = y1 / height, .x2 = x2 / width, .y2 = y2 / height};
  anchor.cx = (anchor.x1 + anchor.x2) / 2;
  anchor.cy = (anchor.y1 + anchor.y2) / 2;
  anchor.w = anchor.x2 - anchor.x1;
  anchor.h = anchor.y2 - anchor.y1;
  return anchor;
}

void AddMap(const SsdHead& head, const SsdHead::Map& map, double width, double height,
            AnchorSet& set) {
  const auto sizes = BoxSizes(head, map, std::min(width, height));
  AnchorMap layout{.first = set.size(),
                   .height = map.height(),
                   .width = map.width(),
                   .boxes = static_cast<int64_t>(sizes.size()),
                   .step_x = map.step_x() / width,
                   .step_y = map.step_y() / height,
                   .offset_x = map.offset_x(),
                   .offset_y = map.offset_y()};
  for (const auto& [w, h] : sizes) {
    layout.max_w = std::max(layout.max_w, w / width);
    layout.max_h = std::max(layout.max_h, h / height);
  }
  set.maps.push_back(layout);
  for (int row = 0; row < map.height(); ++row) {
    for (int column = 0; column < map.width(); ++column) {
      const double cx = (map.offset_x() + column) * map.step_x();
      const double cy = (map.offset_y() + row) * map.step_y();
      for (const auto& [w, h] : sizes) {
        double x1 = cx - w / 2, y1 = cy - h / 2, x2 = cx + w / 2, y2 = cy + h / 2;
        if (head.clip_boxes()) {
          x1 = Clip(x1, width), x2 = Clip(x2, width);
          y1 = Clip(y1, height), y2 = Clip(y2, height);
        }
        set.anchors.push_back(FromCorners(x1, y1, x2, y2, width, height));
      }
    }
  }
}

}  // namespace

int64_t BoxesPerCell(const SsdHead& head, const SsdHead::Map& map) {
  int64_t boxes = map.aspect_ratios_size();
  if (head.two_boxes_for_ar1()) {
    boxes += std::count(map.aspect_ratios().begin(), map.aspect_ratios().end(), 1.0);
  }
  return boxes;
}

int64_t AnchorCount(const SsdHead& head) {
  int64_t count = 0;
  for (const SsdHead::Map& map : head.maps()) {
    count += int64_t{map.height()} * map.width() * BoxesPerCell(head, map);
  }
  return count;
}

absl::StatusOr<std::array<double, 4>> VariancesOf(const SsdHead& head) {
  const auto& variances = head.variances();
  if (variances.size() != 4 || !std::all_of(variances.begin(), variances.end(), PositiveFinite)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "ssd.variances is [", absl::StrJoin(variances, ", "), "]; expected four positive numbers"));
  }
  return std::array<double, 4>{variances[0], variances[1], variances[2], variances[3]};
}

absl::StatusOr<AnchorSet> MakeAnchors(const SsdHead& head, int width, int height) {
  TY_RETURN_IF_ERROR(Check(head, width, height));
  AnchorSet set;
  set.anchors.reserve(static_cast<size_t>(AnchorCount(head)));
  for (const SsdHead::Map& map : head.maps()) AddMap(head, map, width, height, set);
  return set;
}

absl::StatusOr<std::vector<data::Box>> AnchorBoxes(const SsdHead& head, int width, int height) {
  TY_ASSIGN_OR_RETURN(const AnchorSet set, MakeAnchors(head, width, height));
  std::vector<data::Box> boxes;
  boxes.reserve(set.anchors.size());
  for (const Anchor& anchor : set.anchors) {
    boxes.push_back({static_cast<float>(anchor.x1 * width), static_cast<float>(anchor.y1 * height),
                     static_cast<float>(anchor.x2 * width), static_cast<float>(anchor.y2 * height)});
  }
  return boxes;
}

}  // namespace trainyard::networks
