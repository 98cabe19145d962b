#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/shape_clusters.h"
#include "libs/networks/ssd/ssd_fit_rules.h"
#include "libs/networks/ssd/ssd_spec.h"

namespace trainyard::networks {

/// Scales and ratios of default boxes.
struct SsdShapes {
  /// As `scales`: of the six maps, and the next one after the last; the first six <= 1.
  std::array<double, kSsdMaps + 1> scales{};
  /// As `aspect_ratios`: a list a map, the first of which is 1.
  std::array<std::vector<double>, kSsdMaps> ratios;
};

/// How well default boxes fit objects: the weighted mean over the objects of the best IoU with a box of a
/// cell whose centre is a quarter of the map's stride away on both axes, which is the mean distance of
/// objects that lie anywhere. `objects`: in pixels of an input with a shorter side of `side` pixels; the
/// second square of each map counts (two_boxes_for_ar1). O(objects * boxes).
double FitOf(const SsdShapes& shapes, absl::Span<const data::BoxShape> objects, double side);

/// The shapes of TAO's notebooks, which are made for cars and people.
SsdShapes UsualShapes();

/// Chooses default boxes for objects: their clusters (ClusterShapes) give the ratios, and the scales are
/// those of an even progression over the maps (the first scale and the step between two) that fit best
/// (FitOf). `objects` as there; at least one. A pure function.
SsdShapes ChooseShapes(absl::Span<const data::BoxShape> objects, double side, uint64_t seed,
                       const SsdFitRules& rules = kSsdFitRules);

/// "[0.08, 0.16, ...]" and "[[1.0, 2.0], ...]": the fields' texts.
std::string ScalesText(const SsdShapes& shapes);
std::string RatiosText(const SsdShapes& shapes);

}  // namespace trainyard::networks
