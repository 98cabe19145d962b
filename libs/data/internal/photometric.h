#pragma once

#include <opencv2/core.hpp>
#include <optional>

#include "absl/status/status.h"
#include "libs/base/random.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data::internal {

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
  /// Added to S behind the factor, on the scale of 0-255. A grey pixel, whose hue is 0, gets a
  /// colour.
  std::optional<double> saturation_shift;
  /// Added to H, in OpenCV's units of two degrees.
  std::optional<double> hue;
};

/// Draws with the spans of a detector's spec: brightness +-b, factors 1 +- c and 1 +- s, hue +-h;
/// each fires with probability one half.
Photometric DrawPhotometric(double brightness, double contrast, double saturation, double hue,
                            Philox& random);

/// Applies it to 8-bit RGB; `target` may be `source`. 8-bit steps round half to even.
void ApplyPhotometric(const Photometric& photometric, const cv::Mat& source, cv::Mat& target);

/// The same for a picture, u8 RGB [height, width, 3], in place. kInternal for what OpenCV throws.
absl::Status ApplyPhotometric(const Photometric& photometric, Tensor& picture);

/// Our threads are ours to count; OpenCV shall not start its own.
void KeepOpenCvToOneThread();

}  // namespace trainyard::data::internal
