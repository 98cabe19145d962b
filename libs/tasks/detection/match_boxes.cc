#include "libs/tasks/detection/match_boxes.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace trainyard::tasks {
namespace {

double Intersection(const data::Box& a, const data::Box& b) {
  const double w = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1);
  const double h = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

// COCO: what of the detection lies in the crowd.
double CrowdOverlap(const data::Box& detection, const data::Box& crowd) {
  const double both = Intersection(detection, crowd);
  return both == 0 ? 0 : both / AreaOf(detection);
}

// The objects at one threshold, and which are taken.
struct Race {
  const ClassObjects& objects;
  std::vector<int> taken_by;

  size_t size() const { return taken_by.size(); }
  bool Taken(size_t i) const { return taken_by[i] >= 0; }
  Verdict Take(size_t i, int detection) {
    taken_by[i] = detection;
    return objects.ignored[i] ? Verdict::kDropped : Verdict::kTruePositive;
  }
};

// TAO: taken objects are out of the race, so a duplicate may find the second best.
Verdict JudgeTao(Race& race, const double* overlaps, double threshold, int detection) {
  size_t best = 0;
  double best_iou = -1;
  for (size_t i = 0; i < race.size(); ++i) {
    const double iou = race.Taken(i) ? 0 : overlaps[i];
    if (iou > best_iou) best = i, best_iou = iou;
  }
  return best_iou >= threshold ? race.Take(best, detection) : Verdict::kFalsePositive;
}

// VOC: the best object counts, taken or not; difficult ones may be found any number of times.
Verdict JudgeVoc(Race& race, const double* overlaps, double threshold, int detection) {
  size_t best = 0;
  double best_iou = -1;
  for (size_t i = 0; i < race.size(); ++i) {
    if (overlaps[i] > best_iou) best = i, best_iou = overlaps[i];
  }
  if (best_iou < threshold) return Verdict::kFalsePositive;
  if (race.objects.ignored[best]) return Verdict::kDropped;
  return race.Taken(best) ? Verdict::kFalsePositive : race.Take(best, detection);
}

// COCO: free objects first (the last among equals); ignored ones only when none of them fits.
Verdict JudgeCoco(Race& race, const double* overlaps, double threshold, int detection) {
  for (const bool ignored : {false, true}) {
    double best_iou = std::min(threshold, 1 - 1e-10);
    int best = -1;
    for (size_t i = 0; i < race.size(); ++i) {
      if (race.objects.ignored[i] != ignored) continue;
      if (race.Taken(i) && !race.objects.crowd[i]) continue;
      if (overlaps[i] >= best_iou) best = static_cast<int>(i), best_iou = overlaps[i];
    }
    if (best >= 0) return race.Take(best, detection);
  }
  return Verdict::kFalsePositive;
}

Verdict Judge(Matching matching, Race& race, const double* overlaps, double threshold,
              int detection) {
  switch (matching) {
    case Matching::kVoc:
      return JudgeVoc(race, overlaps, threshold, detection);
    case Matching::kCoco:
      return JudgeCoco(race, overlaps, threshold, detection);
    case Matching::kTao:
      break;
  }
  return JudgeTao(race, overlaps, threshold, detection);
}

// A row a detection.
std::vector<double> OverlapsOf(Matching matching, const ClassObjects& objects,
                               absl::Span<const data::Detection> detections) {
  std::vector<double> overlaps;
  overlaps.reserve(detections.size() * objects.boxes.size());
  for (const data::Detection& one : detections) {
    for (size_t i = 0; i < objects.boxes.size(); ++i) {
      const bool crowd = matching == Matching::kCoco && objects.crowd[i];
      overlaps.push_back(crowd ? CrowdOverlap(one.box, objects.boxes[i])
                               : PreciseIoU(one.box, objects.boxes[i]));
    }
  }
  return overlaps;
}

}  // namespace

double AreaOf(const data::Box& box) {
  return (double{box.x2} - box.x1) * (double{box.y2} - box.y1);
}

double PreciseIoU(const data::Box& a, const data::Box& b) {
  const double both = Intersection(a, b);
  return both == 0 ? 0 : both / (AreaOf(a) + AreaOf(b) - both);
}

ClassMatches MatchBoxes(Matching matching, absl::Span<const double> thresholds,
                        const ClassObjects& objects, absl::Span<const data::Detection> detections) {
  ClassMatches matches;
  matches.found.resize(detections.size());
  matches.dropped.resize(detections.size());
  const std::vector<double> overlaps = OverlapsOf(matching, objects, detections);
  Race race{.objects = objects};
  for (size_t t = 0; t < thresholds.size(); ++t) {
    race.taken_by.assign(objects.boxes.size(), -1);
    for (size_t i = 0; i < detections.size(); ++i) {
      const Verdict verdict = Judge(matching, race, overlaps.data() + i * race.size(),
                                    thresholds[t], static_cast<int>(i));
      matches.found[i] |= uint32_t{verdict == Verdict::kTruePositive} << t;
      matches.dropped[i] |= uint32_t{verdict == Verdict::kDropped} << t;
    }
  }
  matches.taken_by = std::move(race.taken_by);
  return matches;
}

}  // namespace trainyard::tasks
