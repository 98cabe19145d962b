#pragma once

#include <vector>

#include "absl/types/span.h"
#include "libs/data/review/finding.h"
#include "libs/data/review/frame.h"

namespace trainyard::data {

/// A class with less than this part of the largest one's objects is rare.
inline constexpr double kRarePart = 0.05;
/// A box this many times as wide as high, or as high as wide, is told of.
inline constexpr double kUnlikelyAspect = 10;
/// Two boxes of a class that overlap by more are taken for one object that is labelled twice.
inline constexpr double kTwinIoU = 0.95;

/// What the labels of a set tell by themselves, in the order of the kinds below: pictures without
/// objects; of every class its share and, where it is so, that it is rare; the sizes of its boxes;
/// boxes of unlikely shape and objects that are labelled twice, in the order of the pictures. Pure;
/// O(boxes log boxes) unless thousands of boxes lie on one another.
std::vector<ReviewFinding> CheckBoxes(absl::Span<const ReviewFrame> frames);

/// Classes of `against` without an object in `frames`, which cannot be learned from them.
std::vector<ReviewFinding> CheckClassesAgainst(absl::Span<const ReviewFrame> frames,
                                               absl::Span<const ReviewFrame> against);

}  // namespace trainyard::data
