#include "libs/tasks/detection/calibration_bins.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"

namespace trainyard::tasks {
namespace {

int BinOf(float score) {
  return std::clamp(static_cast<int>(double{score} * kCalibrationBins), 0, kCalibrationBins - 1);
}

std::string JsonOf(const Calibration& calibration) {
  std::vector<std::string> bins;
  for (const Calibration::Bin& bin : calibration.bins) {
    bins.push_back(JsonObject({{"detections", absl::StrCat(bin.detections)},
                               {"score", JsonNumber(bin.score)},
                               {"precision", JsonNumber(bin.precision)}}));
  }
  return JsonObject({{"error", JsonNumber(calibration.error)},
                     {"bins", absl::StrCat("[", absl::StrJoin(bins, ", "), "]")}});
}

}  // namespace

Calibration CalibrationOf(absl::Span<const JudgedClass> classes, size_t threshold_bit) {
  Calibration result;
  int64_t all = 0;
  for (const JudgedClass& own : classes) {
    for (const JudgedDetection& one : own.detections) {
      if (one.dropped >> threshold_bit & 1) continue;
      Calibration::Bin& bin = result.bins[BinOf(one.score)];
      ++bin.detections;
      bin.score += one.score;
      bin.precision += one.found >> threshold_bit & 1;
      ++all;
    }
  }
  // Sums so far; an empty bin becomes 0 / 0.
  for (Calibration::Bin& bin : result.bins) {
    const auto count = static_cast<double>(bin.detections);
    if (count > 0) result.error += std::abs(bin.precision - bin.score);
    bin.score /= count;
    bin.precision /= count;
  }
  result.error =
      all == 0 ? std::numeric_limits<double>::quiet_NaN() : result.error / static_cast<double>(all);
  return result;
}

std::string CalibrationJson(const JudgedSet& set) {
  JsonMembers classes;
  for (const JudgedClass& own : set.classes) {
    classes.emplace_back(own.name, JsonOf(CalibrationOf({&own, 1}, set.plan_bit())));
  }
  return JsonObject({{"all", JsonOf(CalibrationOf(set.classes, set.plan_bit()))},
                     {"classes", JsonObject(classes)}});
}

}  // namespace trainyard::tasks
