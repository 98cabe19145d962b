#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/tasks/detection/judged_set.h"

namespace trainyard::tasks {

/// How far a number may be from what other images of the same kind would give. NaN when unknown.
struct Interval {
  double low = 0, high = 0;
};

/// `[low, high]`.
std::string JsonOf(const Interval& interval);

struct BootstrapOptions {
  uint64_t seed = 42;
  /// >= 1.
  int resamples = 1000;
  /// Of the interval, in (0, 1).
  double level = 0.95;
  /// >= 1; nothing depends on it.
  int threads = 1;
};

/// Average precision in each of the resamples.
struct ResampledAp {
  /// The mean over classes.
  std::vector<double> mean;
  /// By class, then by resample. NaN where the class has no object in the resample and no number
  /// without: it is left out of the mean.
  std::vector<std::vector<double>> classes;
};

/// Draws as many images as there are, with replacement, and computes average precision again, so
/// often.
///
/// A resample is what AveragePrecision gives for the list of images drawn (equal scores of one
/// image apart: copies of a detection stay together). A class that has objects, but none in the
/// images drawn, is left out of that resample's mean, in kTao too: its AP is not 0 but unknown.
///
/// Resample r draws from Philox(seed, 0, r, kBootstrap): two sets of the same images in the same
/// order see the same draws, so that their differences are paired.
///
/// One sort of the detections, then for each resample a sum over the sorted list and one over those
/// that find something at each threshold (ten for kCoco, else one): O(resamples x (detections +
/// objects found x thresholds)). Detections behind the last one that finds something are left out.
/// 4 bytes a detection, and 8 for each that finds something and threshold. Pure.
///
/// Source: Efron, B., Tibshirani, R., An Introduction to the Bootstrap, 1993, chapter 13.
ResampledAp ResampleAp(const JudgedSet& set, const BootstrapOptions& options = {});

/// The interval between the (1 - level) / 2 quantiles at both ends (NumPy's linear interpolation)
/// of the values that are numbers; NaN when none is.
Interval PercentileInterval(std::vector<double> values, double level);

/// The intervals of the mean and of every class.
struct ApIntervals {
  Interval mean;
  std::vector<Interval> classes;
  double level = 0;
  int resamples = 0;
};
ApIntervals IntervalsOf(const JudgedSet& set, const BootstrapOptions& options = {});

}  // namespace trainyard::tasks
