#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/tasks/detection/judged_set.h"

namespace trainyard::tasks {

/// Scores 0, .01, ..., 1.
inline constexpr int kF1Points = 101;

/// How well precision and recall go together when everything below a score is left out, at the
/// plan's IoU threshold. F1 = 2 TP / (detections that count + objects): 0 when nothing is found.
struct F1Curve {
  /// F1 of the detections that score at or above i / 100.
  std::array<double, kF1Points> f1 = {};
  /// The largest F1 at any score, and the score: everything below it should be left out. Of several
  /// the highest score. All 0 when nothing was found.
  double best = 0, best_score = 0, precision = 0, recall = 0;
};

/// Of one class, or of several together. O(d log d).
F1Curve F1Of(absl::Span<const JudgedClass> classes, size_t threshold_bit);

/// `{"all": {...}, "classes": {"nut": {"f1": 0.9, "score": 0.4, "precision": 1, "recall": 0.8,
/// "curve":
/// [...]}}}`.
std::string F1Json(const JudgedSet& set);

}  // namespace trainyard::tasks
