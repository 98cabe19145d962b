#include "libs/data/review/prior_fit.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "libs/data/internal/parallel.h"

namespace trainyard::data {
namespace {

double AreaOf(const Box& box) {
  return static_cast<double>(box.width()) * static_cast<double>(box.height());
}

// The box in pixels of the input; nothing when it has no area in its picture.
std::optional<Box> OnInput(const Box& box, ImageSize picture, ImageSize input) {
  const auto width = static_cast<float>(picture.width), height = static_cast<float>(picture.height);
  const float x = static_cast<float>(input.width) / width;
  const float y = static_cast<float>(input.height) / height;
  const Box scaled{std::clamp(box.x1, 0.0f, width) * x, std::clamp(box.y1, 0.0f, height) * y,
                   std::clamp(box.x2, 0.0f, width) * x, std::clamp(box.y2, 0.0f, height) * y};
  if (!(scaled.width() > 0 && scaled.height() > 0)) return std::nullopt;
  return scaled;
}

struct Seen {
  const std::string* class_name;
  double iou, area;
};

std::vector<Seen> LookAt(const ReviewFrame& frame, const BestPrior& best, ImageSize input) {
  std::vector<Seen> seen;
  for (const ReviewBox& box : frame.boxes) {
    const std::optional<Box> scaled = OnInput(box.box, frame.size, input);
    if (scaled) seen.push_back({&box.class_name, best.IoUWith(*scaled), AreaOf(*scaled)});
  }
  return seen;
}

// The value that a `part` of the sorted values do not exceed.
double At(const std::vector<double>& sorted, double part) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(part * last + 0.5)];
}

PriorFit FitOf(const std::string& class_name, const std::vector<Seen>& seen, double least_area,
               double largest_area) {
  PriorFit fit{.class_name = class_name, .boxes = static_cast<int64_t>(seen.size())};
  std::vector<double> best;
  for (const Seen& box : seen) {
    best.push_back(box.iou);
    fit.matched += box.iou >= kMatchedIoU;
    fit.smaller += box.area < least_area;
    fit.larger += box.area > largest_area;
  }
  std::sort(best.begin(), best.end());
  fit.iou_p10 = At(best, 0.1), fit.iou_p50 = At(best, 0.5), fit.iou_p90 = At(best, 0.9);
  return fit;
}

}  // namespace

BestPrior::BestPrior(absl::Span<const Box> priors) {
  for (const Box& box : priors) {
    if (box.width() > 0 && box.height() > 0) priors_.push_back({AreaOf(box), box});
  }
  std::stable_sort(priors_.begin(), priors_.end(),
                   [](const Sized& a, const Sized& b) { return a.area < b.area; });
}

double BestPrior::IoUWith(const Box& box) const {
  const double area = AreaOf(box);
  if (!(area > 0)) return 0;
  double best = 0;
  const auto middle = std::lower_bound(priors_.begin(), priors_.end(), area,
                                       [](const Sized& p, double value) { return p.area < value; });
  // An IoU is at most the smaller area over the larger: outwards from the box's own, none that follows
  // can be better than that.
  for (auto prior = middle; prior != priors_.end() && area > best * prior->area; ++prior) {
    best = std::max<double>(best, IoU(box, prior->box));
  }
  for (auto prior = middle; prior != priors_.begin();) {
    --prior;
    if (prior->area <= best * area) break;
    best = std::max<double>(best, IoU(box, prior->box));
  }
  return best;
}

std::vector<PriorFit> FitPriors(absl::Span<const ReviewFrame> frames, const Priors& priors,
                                int threads) {
  if (priors.boxes.empty()) return {};
  const BestPrior best(priors.boxes);
  std::vector<std::vector<Seen>> seen(frames.size());
  internal::ParallelFor(static_cast<int64_t>(frames.size()), threads, [&](int64_t i) {
    seen[static_cast<size_t>(i)] = LookAt(frames[static_cast<size_t>(i)], best, priors.input);
  });
  std::map<std::string, std::vector<Seen>> classes;
  for (const std::vector<Seen>& boxes : seen) {
    for (const Seen& box : boxes) classes[*box.class_name].push_back(box);
  }
  double least = std::numeric_limits<double>::infinity(), largest = 0;
  for (const Box& box : priors.boxes) {
    least = std::min(least, AreaOf(box));
    largest = std::max(largest, AreaOf(box));
  }
  std::vector<PriorFit> fits;
  for (const auto& [name, boxes] : classes) fits.push_back(FitOf(name, boxes, least, largest));
  return fits;
}

}  // namespace trainyard::data
