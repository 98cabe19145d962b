#pragma once

#include <opencv2/core.hpp>
#include <optional>

#include "libs/base/random.h"

namespace trainyard::internal {

/// One drawing of the colours' part of the augmentation; what is absent did not fire.
struct Photometric {
  /// Contrast after the way through HSV, not before it.
  bool contrast_last = false;
  /// Added to each channel.
  std::optional<double> brightness;
  /// Factor around 127.5.
  std::optional<double> contrast;
  /// Factor of S.
  std::optional<double> saturation;
  /// Added to H, in OpenCV's units of two degrees.
  std::optional<double> hue;
};

/// Draws with the spans of the spec: brightness +-b, factors 1 +- c and 1 +- s, hue +-h; each fires
/// with probability one half.
Photometric DrawPhotometric(double brightness, double contrast, double saturation, double hue,
                            Philox& random);

/// Applies it to 8-bit RGB; `target` may be `source`. 8-bit steps round half to even.
void ApplyPhotometric(const Photometric& photometric, const cv::Mat& source, cv::Mat& target);

}  // namespace trainyard::internal
