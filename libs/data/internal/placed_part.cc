#include "libs/data/internal/placed_part.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

namespace trainyard::data::internal {

PlacedPart PlacePart(Part part, Sprite sprite, cv::Point centre) {
  PlacedPart placed{.part = part, .sprite = std::move(sprite)};
  const int half = placed.sprite.mask.cols / 2;
  placed.corner = centre - cv::Point(half, half);
  placed.extent = cv::boundingRect(placed.sprite.mask) + placed.corner;
  placed.pixels = cv::countNonZero(placed.sprite.mask);
  return placed;
}

cv::Rect InPicture(const cv::Rect& rect, cv::Size size) { return rect & cv::Rect({0, 0}, size); }

cv::Mat Cover(const PlacedPart& placed, cv::Size size) {
  cv::Mat cover = cv::Mat::zeros(size, CV_8U);
  const cv::Rect whole(placed.corner, placed.sprite.mask.size());
  const cv::Rect inside = InPicture(whole, size);
  if (!inside.empty()) placed.sprite.mask(inside - placed.corner).copyTo(cover(inside));
  return cover;
}

Shadow DrawShadow(cv::Size size, Philox& random) {
  const double towards = random.Uniform(0, 2 * CV_PI);
  const double distance = random.Uniform(0.01, 0.025) * size.height;
  const cv::Point offset(cvRound(std::cos(towards) * distance),
                         cvRound(std::sin(towards) * distance));
  return {.offset = offset, .darkness = random.Uniform(0.25, 0.6)};
}

void LayDown(const PlacedPart& placed, const Shadow& shadow, cv::Mat& picture) {
  PlacedPart moved = placed;
  moved.corner += shadow.offset;
  cv::Mat soft;
  const double sigma = 1.5 + std::max(std::abs(shadow.offset.x), std::abs(shadow.offset.y)) * 0.5;
  cv::GaussianBlur(Cover(moved, picture.size()), soft, {0, 0}, sigma);
  for (int y = 0; y < picture.rows; ++y) {
    auto* row = picture.ptr<cv::Vec3b>(y);
    const auto* dark = soft.ptr<uint8_t>(y);
    for (int x = 0; x < picture.cols; ++x) {
      if (dark[x] != 0) row[x] *= 1 - shadow.darkness * dark[x] / 255.0;
    }
  }
  const cv::Rect whole(placed.corner, placed.sprite.mask.size());
  const cv::Rect inside = InPicture(whole, picture.size());
  placed.sprite.colour(inside - placed.corner)
      .copyTo(picture(inside), placed.sprite.mask(inside - placed.corner));
}

}  // namespace trainyard::data::internal
