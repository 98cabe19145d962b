#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "libs/tasks/detection/judged_set.h"

namespace trainyard::tasks {

inline constexpr int kCalibrationBins = 10;

/// Whether scores mean what they say: of detections that score .8, 80 % should be right.
struct Calibration {
  /// Scores in [i / 10, (i + 1) / 10), the last with 1. Of the detections that count: how many,
  /// their mean score, and which part of them found an object; NaN where there is none.
  struct Bin {
    int64_t detections = 0;
    double score = 0, precision = 0;
  };
  std::array<Bin, kCalibrationBins> bins;
  /// Expected calibration error: the mean over detections of |precision - score| of their bin; 0 is
  /// best. NaN without detections.
  double error = 0;
};

/// Of one class, or of several together, at one IoU threshold. O(d).
///
/// Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, section 2, with
/// precision for accuracy: objects that were missed have no score.
Calibration CalibrationOf(absl::Span<const JudgedClass> classes, size_t threshold_bit);

/// `{"all": {"error": 0.1, "bins": [{"detections": 3, "score": 0.05, "precision": 0}, ...]},
/// "classes": {"nut": {...}}}`.
std::string CalibrationJson(const JudgedSet& set);

}  // namespace trainyard::tasks
