#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/tasks/detection/bootstrap.h"
#include "libs/tasks/detection/judged_file.h"

namespace trainyard::tasks {

/// A number of two evaluations.
struct ComparedNumber {
  /// "mAP", "AP_nut", "ms_per_image".
  std::string name;
  /// NaN where it was not measured.
  double a = 0, b = 0;
  /// Of a, of b, and of b - a; absent for what is not resampled.
  std::optional<Interval> a_interval, b_interval, difference_interval;

  double difference() const { return b - a; }
  /// Whether the interval of the difference leaves out 0.
  bool differs() const;
};

struct Comparison {
  Matching matching = Matching::kTao;
  ApMode ap_mode = ApMode::kSample;
  double iou_threshold = 0;
  int64_t images = 0;
  double level = 0;
  int resamples = 0;
  std::vector<ComparedNumber> numbers;
};

/// The mean and each class's average precision of two evaluations on the same images, with the
/// intervals of a paired bootstrap: each resample draws the same images for both, so that what
/// makes images hard for both does not widen the interval of the difference.
///
/// Images are paired by name; the order may differ. kInvalidArgument, with all problems, when the
/// two differ in matching, mode, threshold, classes, images, or in the objects of an image: then a
/// difference would not be the models'. Costs two ResampleAp.
absl::StatusOr<Comparison> CompareJudged(const NamedSet& a, const NamedSet& b,
                                         const BootstrapOptions& options = {});

/// Reads two evaluations (folders, or the results.json in them) and compares them; with them
/// ms_per_image, the best F1 (`f1`) and the calibration error (`calibration_error`) of both
/// results.json, where they have them.
///
/// Fails as ReadFile, ReadJudged and CompareJudged do, with the path as given; kInvalidArgument
/// when a results.json is no JSON; kFailedPrecondition when it has another mAP than the file beside
/// it gives: they are of two evaluations.
absl::StatusOr<Comparison> CompareResults(const std::string& a, const std::string& b,
                                          const BootstrapOptions& options = {});

/// `{"matching": ..., "average_precision_mode": ..., "iou_threshold": ..., "images": ..., "level":
/// ..., "resamples": ..., "numbers": [{"name": "mAP", "a": .8, "a_interval": [.7, .9], "b": ...,
/// "b_interval": ..., "difference": ..., "difference_interval": ..., "differs": true}]}` in one
/// line; what is not resampled has no intervals and no `differs`.
std::string ComparisonJson(const Comparison& comparison);

/// For a terminal: a line a number, and a line on how to read it. Ends in a line break.
std::string ComparisonTable(const Comparison& comparison);

}  // namespace trainyard::tasks
