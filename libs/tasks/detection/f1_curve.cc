#include "libs/tasks/detection/f1_curve.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"

namespace trainyard::tasks {
namespace {

struct Scored {
  float score;
  bool found;
};

std::vector<Scored> BestFirst(absl::Span<const JudgedClass> classes, size_t bit) {
  std::vector<Scored> scored;
  for (const JudgedClass& own : classes) {
    for (const JudgedDetection& one : own.detections) {
      if ((one.dropped >> bit & 1) == 0) scored.push_back({one.score, (one.found >> bit & 1) == 1});
    }
  }
  std::sort(scored.begin(), scored.end(),
            [](const Scored& a, const Scored& b) { return a.score > b.score; });
  return scored;
}

// What is at or above a score.
struct Point {
  float score;
  int64_t found, detections;
};

// A threshold cannot part equal scores: one point for each score, highest first.
std::vector<Point> PointsOf(const std::vector<Scored>& scored) {
  std::vector<Point> points;
  int64_t found = 0;
  for (size_t i = 0; i < scored.size(); ++i) {
    found += scored[i].found;
    if (i + 1 < scored.size() && scored[i + 1].score == scored[i].score) continue;
    points.push_back({scored[i].score, found, static_cast<int64_t>(i) + 1});
  }
  return points;
}

std::string JsonOf(const F1Curve& curve) {
  std::vector<std::string> values;
  for (const double f1 : curve.f1) values.push_back(JsonNumber(f1));
  return JsonObject({{"f1", JsonNumber(curve.best)},
                     {"score", JsonNumber(curve.best_score)},
                     {"precision", JsonNumber(curve.precision)},
                     {"recall", JsonNumber(curve.recall)},
                     {"curve", absl::StrCat("[", absl::StrJoin(values, ", "), "]")}});
}

}  // namespace

F1Curve F1Of(absl::Span<const JudgedClass> classes, size_t threshold_bit) {
  int64_t objects = 0;
  for (const JudgedClass& own : classes) objects += own.TotalObjects();
  const std::vector<Point> points = PointsOf(BestFirst(classes, threshold_bit));
  const auto f1_of = [objects](const Point& point) {
    return 2.0 * static_cast<double>(point.found) / static_cast<double>(point.detections + objects);
  };
  F1Curve curve;
  for (const Point& point : points) {
    if (f1_of(point) <= curve.best) continue;
    curve.best = f1_of(point);
    curve.best_score = point.score;
    curve.precision = static_cast<double>(point.found) / static_cast<double>(point.detections);
    curve.recall = static_cast<double>(point.found) / static_cast<double>(objects);
  }
  for (int i = 0; i < kF1Points; ++i) {
    const auto least = static_cast<float>(i / 100.0);
    // The last point that is not below.
    const auto end = std::partition_point(points.begin(), points.end(),
                                          [least](const Point& one) { return one.score >= least; });
    if (end != points.begin()) curve.f1[i] = f1_of(*std::prev(end));
  }
  return curve;
}

std::string F1Json(const JudgedSet& set) {
  JsonMembers classes;
  for (const JudgedClass& own : set.classes) {
    classes.emplace_back(own.name, JsonOf(F1Of({&own, 1}, set.plan_bit())));
  }
  return JsonObject(
      {{"all", JsonOf(F1Of(set.classes, set.plan_bit()))}, {"classes", JsonObject(classes)}});
}

}  // namespace trainyard::tasks
