#pragma once

#include <cstdint>
#include <opencv2/core.hpp>

#include "libs/base/random.h"
#include "libs/data/internal/scene.h"

namespace trainyard::data::internal {

/// Pictures are painted at this many times their size, and shrunk: smooth edges.
inline constexpr int kFiner = 2;

/// A part on the tray; coordinates of the fine picture.
struct PlacedPart {
  Part part = Part::kBolt;
  Sprite sprite;
  /// Where the sprite's upper left pixel lies.
  cv::Point corner;
  /// Of the mask, not clipped.
  cv::Rect extent;
  /// Pixels of the mask.
  int64_t pixels = 0;
};

/// Where the light throws shadows, and how dark they are.
struct Shadow {
  cv::Point offset;
  double darkness = 0;
};

/// The sprite with its middle at `centre`.
PlacedPart PlacePart(Part part, Sprite sprite, cv::Point centre);

/// The portion of `rect` that lies in a picture of this size.
cv::Rect InPicture(const cv::Rect& rect, cv::Size size);

/// A picture-sized mask of what the part covers.
cv::Mat Cover(const PlacedPart& placed, cv::Size size);

Shadow DrawShadow(cv::Size size, Philox& random);

/// Paints the shadow first, then the part.
void LayDown(const PlacedPart& placed, const Shadow& shadow, cv::Mat& picture);

}  // namespace trainyard::data::internal
