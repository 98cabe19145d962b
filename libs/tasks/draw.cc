#include "libs/tasks/draw.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "absl/strings/str_cat.h"

namespace trainyard::tasks {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr int kPadding = 2;

// Sizes that stay readable: 1 pixel and small letters up to VGA, growing with the picture.
int LineWidth(const cv::Mat& picture) {
  return std::max(1, static_cast<int>(std::lround(std::min(picture.rows, picture.cols) / 480.0)));
}
double FontScale(const cv::Mat& picture) {
  return std::clamp(std::min(picture.rows, picture.cols) / 1000.0, 0.35, 1.2);
}

cv::Scalar ScalarOf(Rgb color) { return {double(color[0]), double(color[1]), double(color[2])}; }

// Black on light colours, white on dark ones (ITU-R BT.601 brightness).
Rgb ReadableOn(Rgb color) {
  const double brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
  return brightness > 140 ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
}

// A coordinate as a pixel inside [0, size - 1]; NaN goes to 0.
int PixelOf(float value, int size) {
  if (!(value > 0)) return 0;
  return value >= static_cast<float>(size) ? size - 1 : static_cast<int>(std::lround(value));
}

void PutTag(cv::Mat& picture, cv::Point corner, Rgb color, const std::string& tag) {
  const double scale = FontScale(picture);
  int baseline = 0;
  const cv::Size text = cv::getTextSize(tag, kFont, scale, 1, &baseline);
  const cv::Size size(text.width + 2 * kPadding, text.height + baseline + 2 * kPadding);
  corner.x = std::max(0, std::min(corner.x, picture.cols - size.width));
  corner.y = std::max(0, std::min(corner.y, picture.rows - size.height));
  cv::rectangle(picture, cv::Rect(corner, size), ScalarOf(color), cv::FILLED);
  cv::putText(picture, tag, {corner.x + kPadding, corner.y + kPadding + text.height}, kFont, scale,
              ScalarOf(ReadableOn(color)), 1, cv::LINE_AA);
}

absl::Status CheckPicture(const Tensor& image) {
  if (image.dtype() == DType::kUInt8 && image.rank() == 3 && image.dim(2) == 3 &&
      image.size() > 0 && image.dim(0) < (1 << 30) && image.dim(1) < (1 << 30)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("cannot draw on ", NameOf(image.dtype()), " ",
                                                 ShapeText(image.shape()),
                                                 "; expected u8 [height, width, 3]"));
}

// Lends the pixels of `image` to OpenCV.
absl::Status Draw(Tensor& image, const std::function<void(cv::Mat&)>& draw) {
  if (const absl::Status status = CheckPicture(image); !status.ok()) return status;
  cv::Mat picture(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                  image.raw());
  try {
    draw(picture);
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV could not draw: ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace

Rgb ColorOf(int class_id) {
  static constexpr Rgb kColors[] = {
      {0, 0, 0}, {255, 0, 0}, {0, 0, 255}, {255, 215, 0}, {128, 0, 128}};
  return kColors[((class_id % 5) + 5) % 5];
}

absl::Status DrawBox(Tensor& image, const data::Box& box, Rgb color, absl::string_view tag) {
  return Draw(image, [&](cv::Mat& picture) {
    const cv::Point first(PixelOf(box.x1, picture.cols), PixelOf(box.y1, picture.rows));
    const cv::Point last(PixelOf(box.x2, picture.cols), PixelOf(box.y2, picture.rows));
    cv::rectangle(picture, first, last, ScalarOf(color), LineWidth(picture));
    if (!tag.empty()) PutTag(picture, first, color, std::string(tag));
  });
}

absl::Status DrawTag(Tensor& image, float x, float y, Rgb color, absl::string_view tag) {
  return Draw(image, [&](cv::Mat& picture) {
    PutTag(picture, {PixelOf(x, picture.cols), PixelOf(y, picture.rows)}, color, std::string(tag));
  });
}

}  // namespace trainyard::tasks
