#include "libs/networks/ssd/ssd_shapes.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace trainyard::networks {

using data::BoxShape;
namespace {

// Enough to compare scales by.
constexpr size_t kMostObjects = 2000;
// Of map i: kFinestStride << i.
constexpr int kFinestStride = 8;
// The encoder wants the first six at most 1; a box of the whole input fits nothing that is cut off.
constexpr double kLargestScale = 0.98;

double SideOf(const BoxShape& shape) { return std::sqrt(shape.width * shape.height); }

// IoU of two boxes whose centres are `shift` apart on both axes.
double ShiftedIoU(const BoxShape& a, const BoxShape& b, double shift) {
  const auto along = [shift](double one, double other) {
    return std::max(0.0, std::min({one, other, (one + other) / 2 - shift}));
  };
  const double both = along(a.width, b.width) * along(a.height, b.height);
  return both / (a.width * a.height + b.width * b.height - both);
}

struct PlacedShape {
  BoxShape shape;
  double shift = 0;
};

std::vector<PlacedShape> BoxesOf(const SsdShapes& shapes, double side) {
  std::vector<PlacedShape> boxes;
  for (size_t map = 0; map < kSsdMaps; ++map) {
    const double shift = (kFinestStride << map) / 4.0;
    const double here = shapes.scales[map] * side;
    for (const double ratio : shapes.ratios[map]) {
      boxes.push_back({{here * std::sqrt(ratio), here / std::sqrt(ratio)}, shift});
    }
    const double second = std::sqrt(shapes.scales[map] * shapes.scales[map + 1]) * side;
    boxes.push_back({{second, second}, shift});
  }
  return boxes;
}

bool IsNew(double ratio, absl::Span<const double> known, double step) {
  return std::all_of(known.begin(), known.end(), [&](double one) {
    return std::max(one / ratio, ratio / one) >= step;
  });
}

// The ratios for a map of this scale: those of the clusters near to it, the most frequent first, and one
// to each side of the square, since crops cut objects off.
std::vector<double> RatiosFor(double scale, double side, std::vector<BoxShape> clusters,
                              const SsdFitRules& rules) {
  std::vector<double> ratios = {1.0};
  std::stable_sort(clusters.begin(), clusters.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  for (const BoxShape& cluster : clusters) {
    const double distance = SideOf(cluster) / (scale * side);
    if (std::max(distance, 1 / distance) > rules.near_scale) continue;
    // Two digits are what people read; the spec's text has no more.
    const double ratio =
        std::max(0.05, std::round(100 * cluster.width / cluster.height) / 100);
    if (static_cast<int>(ratios.size()) < rules.most_ratios &&
        IsNew(ratio, ratios, rules.ratio_step)) {
      ratios.push_back(ratio);
    }
  }
  const double bound = std::sqrt(2.0);
  const auto has = [&](const auto& is_there) {
    return std::any_of(ratios.begin(), ratios.end(), is_there);
  };
  if (!has([=](double ratio) { return ratio >= bound; })) ratios.push_back(2.0);
  if (!has([=](double ratio) { return ratio <= 1 / bound; })) ratios.push_back(0.5);
  return ratios;
}

SsdShapes ShapesOf(double first, double step, double side, const std::vector<BoxShape>& clusters,
                   const SsdFitRules& rules) {
  SsdShapes shapes;
  for (size_t i = 0; i < shapes.scales.size(); ++i) {
    const double scale = std::min(first * std::pow(step, static_cast<double>(i)), kLargestScale);
    shapes.scales[i] = std::max(0.01, std::round(1000 * scale) / 1000);
  }
  for (size_t map = 0; map < kSsdMaps; ++map) {
    shapes.ratios[map] = RatiosFor(shapes.scales[map], side, clusters, rules);
  }
  return shapes;
}

// Evenly over all of them.
std::vector<BoxShape> SomeOf(absl::Span<const BoxShape> objects) {
  const size_t step = std::max<size_t>(1, (objects.size() + kMostObjects - 1) / kMostObjects);
  std::vector<BoxShape> some;
  for (size_t i = 0; i < objects.size(); i += step) some.push_back(objects[i]);
  return some;
}

}  // namespace

double FitOf(const SsdShapes& shapes, absl::Span<const BoxShape> objects, double side) {
  const std::vector<PlacedShape> boxes = BoxesOf(shapes, side);
  double sum = 0, total = 0;
  for (const BoxShape& object : objects) {
    double best = 0;
    for (const PlacedShape& box : boxes) {
      best = std::max(best, ShiftedIoU(object, box.shape, box.shift));
    }
    sum += object.weight * best;
    total += object.weight;
  }
  return total > 0 ? sum / total : 0;
}

SsdShapes UsualShapes() {
  SsdShapes shapes;
  shapes.scales = {0.05, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85};
  shapes.ratios.fill({1.0, 2.0, 0.5, 3.0, 1.0 / 3.0});
  return shapes;
}

SsdShapes ChooseShapes(absl::Span<const BoxShape> objects, double side, uint64_t seed,
                       const SsdFitRules& rules) {
  const std::vector<BoxShape> some = SomeOf(objects);
  const std::vector<BoxShape> clusters = data::ClusterShapes(some, rules.clusters, seed).centres;
  double smallest = side;
  for (const BoxShape& cluster : clusters) smallest = std::min(smallest, SideOf(cluster));
  SsdShapes best;
  double best_fit = -1;
  for (const double factor : rules.first_scales) {
    for (const double step : rules.scale_steps) {
      SsdShapes shapes = ShapesOf(factor * smallest / side, step, side, clusters, rules);
      const double fit = FitOf(shapes, some, side);
      if (fit > best_fit) best = std::move(shapes), best_fit = fit;
    }
  }
  return best;
}

std::string ScalesText(const SsdShapes& shapes) {
  return absl::StrCat("[", absl::StrJoin(shapes.scales, ", "), "]");
}

std::string RatiosText(const SsdShapes& shapes) {
  std::vector<std::string> lists;
  for (const std::vector<double>& ratios : shapes.ratios) {
    lists.push_back(absl::StrCat("[", absl::StrJoin(ratios, ", "), "]"));
  }
  return absl::StrCat("[", absl::StrJoin(lists, ", "), "]");
}

}  // namespace trainyard::networks
