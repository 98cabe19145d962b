#include "libs/data/shape_clusters.h"

#include <algorithm>
#include <cstddef>

#include "libs/base/random.h"

namespace trainyard::data {
namespace {

constexpr int kRuns = 5;
constexpr int kMostRounds = 200;
// Shapes that are this near to a centre need none of their own.
constexpr double kSame = 1e-9;

// The centre that overlaps most, the first among equals.
size_t NearestTo(const BoxShape& shape, absl::Span<const BoxShape> centres, double* iou) {
  size_t nearest = 0;
  *iou = -1;
  for (size_t i = 0; i < centres.size(); ++i) {
    const double here = ShapeIoU(shape, centres[i]);
    if (here > *iou) *iou = here, nearest = i;
  }
  return nearest;
}

// Each next centre is drawn by the distances to the nearest one so far.
std::vector<BoxShape> Begin(absl::Span<const BoxShape> shapes, int count, Philox& random) {
  std::vector<BoxShape> centres;
  std::vector<double> chances(shapes.size());
  while (static_cast<int>(centres.size()) < count) {
    double total = 0;
    for (size_t i = 0; i < shapes.size(); ++i) {
      double iou = 0;
      if (!centres.empty()) NearestTo(shapes[i], centres, &iou);
      chances[i] = 1 - iou > kSame ? shapes[i].weight * (1 - iou) : 0;
      total += chances[i];
    }
    if (!(total > 0)) break;
    double at = random.Uniform() * total;
    size_t chosen = 0;
    while (chosen + 1 < shapes.size() && (at >= chances[chosen] || chances[chosen] == 0)) {
      at -= chances[chosen++];
    }
    // What rounding leaves behind the last one.
    while (chances[chosen] == 0) --chosen;
    centres.push_back(shapes[chosen]);
  }
  return centres;
}

// One round: the centres of what is nearest to each. Gives the mean IoU with the old ones.
double Move(absl::Span<const BoxShape> shapes, std::vector<BoxShape>* centres) {
  std::vector<BoxShape> sums(centres->size(), BoxShape{0, 0, 0});
  double total = 0, iou_sum = 0;
  for (const BoxShape& shape : shapes) {
    double iou = 0;
    BoxShape& sum = sums[NearestTo(shape, *centres, &iou)];
    sum.width += shape.weight * shape.width;
    sum.height += shape.weight * shape.height;
    sum.weight += shape.weight;
    total += shape.weight;
    iou_sum += shape.weight * iou;
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    const BoxShape& sum = sums[i];
    if (sum.weight > 0) {
      (*centres)[i] = {sum.width / sum.weight, sum.height / sum.weight, sum.weight / total};
    } else {
      (*centres)[i].weight = 0;
    }
  }
  return iou_sum / total;
}

ShapeClusters RunOnce(absl::Span<const BoxShape> shapes, int count, Philox random) {
  ShapeClusters kept;
  std::vector<BoxShape> centres = Begin(shapes, count, random);
  for (int round = 0; round < kMostRounds; ++round) {
    std::vector<BoxShape> moved = centres;
    const double iou = Move(shapes, &moved);
    // Means are no minimum of this distance: a step may lead back.
    if (round > 0 && iou <= kept.mean_iou) break;
    kept = {std::move(centres), iou};
    centres = std::move(moved);
  }
  return kept;
}

}  // namespace

double ShapeIoU(const BoxShape& a, const BoxShape& b) {
  const double both = std::min(a.width, b.width) * std::min(a.height, b.height);
  return both / (a.width * a.height + b.width * b.height - both);
}

ShapeClusters ClusterShapes(absl::Span<const BoxShape> shapes, int count, uint64_t seed) {
  ShapeClusters best;
  if (shapes.empty() || count < 1) return best;
  for (int run = 0; run < kRuns; ++run) {
    ShapeClusters clusters =
        RunOnce(shapes, count, Philox(seed, static_cast<uint32_t>(run), 1, RandomPurpose::kPartition));
    if (run == 0 || clusters.mean_iou > best.mean_iou) best = std::move(clusters);
  }
  // Of the centres as they are now, each with its share.
  std::vector<BoxShape> unmoved = best.centres;
  best.mean_iou = Move(shapes, &unmoved);
  for (size_t i = 0; i < unmoved.size(); ++i) best.centres[i].weight = unmoved[i].weight;
  std::erase_if(best.centres, [](const BoxShape& centre) { return !(centre.weight > 0); });
  std::sort(best.centres.begin(), best.centres.end(), [](const BoxShape& a, const BoxShape& b) {
    return a.width * a.height < b.width * b.height;
  });
  return best;
}

}  // namespace trainyard::data
