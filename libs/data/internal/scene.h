#pragma once

#include <opencv2/core.hpp>

#include "libs/base/random.h"

namespace trainyard::data::internal {

/// One painted thing before it lies on the tray: colours, and how opaque each pixel is.
struct Sprite {
  cv::Mat colour;  // 8-bit RGB.
  cv::Mat mask;    // 8-bit, 255 = opaque.
};

/// The painted sets number their classes by these; append only.
enum class Part { kBolt, kNut, kWasher, kGear, kBracket };

/// Paints a part whose longest side is `length` pixels, turned by `angle` (radians), lit from a
/// random side, in the middle of a square that it fits into.
Sprite PaintPart(Part part, double length, double angle, Philox& random);

/// Paints the empty tray, 8-bit RGB: surface, scratches, ribs, and things that are no parts.
cv::Mat PaintTray(cv::Size size, Philox& random);

/// Light, blur and noise of a camera, in place.
void TakePhoto(cv::Mat& picture, Philox& random);

}  // namespace trainyard::data::internal
