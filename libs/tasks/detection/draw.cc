#include "libs/tasks/detection/draw.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace trainyard {
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

void DrawTag(cv::Mat& picture, cv::Point corner, Rgb color, const std::string& tag) {
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

std::string ClassName(absl::Span<const std::string> classes, int class_id) {
  if (class_id >= 1 && class_id <= static_cast<int>(classes.size())) return classes[class_id - 1];
  return absl::StrCat("class ", class_id);
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

}  // namespace

Rgb ColorOf(int class_id) {
  static constexpr Rgb kColors[] = {
      {0, 0, 0}, {255, 0, 0}, {0, 0, 255}, {255, 215, 0}, {128, 0, 128}};
  return kColors[((class_id % 5) + 5) % 5];
}

absl::Status DrawBox(Tensor& image, const Box& box, Rgb color, absl::string_view tag) {
  if (const absl::Status status = CheckPicture(image); !status.ok()) return status;
  cv::Mat picture(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                  image.raw());
  const cv::Point first(PixelOf(box.x1, picture.cols), PixelOf(box.y1, picture.rows));
  const cv::Point last(PixelOf(box.x2, picture.cols), PixelOf(box.y2, picture.rows));
  try {
    cv::rectangle(picture, first, last, ScalarOf(color), LineWidth(picture));
    if (!tag.empty()) DrawTag(picture, first, color, std::string(tag));
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV could not draw: ", error.what()));
  }
  return absl::OkStatus();
}

absl::Status DrawDetections(Tensor& image, absl::Span<const Detection> detections,
                            absl::Span<const std::string> classes) {
  std::vector<Detection> order(detections.begin(), detections.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const Detection& a, const Detection& b) { return a.score < b.score; });
  for (const Detection& one : order) {
    const std::string tag =
        absl::StrFormat("%s: %.2f", ClassName(classes, one.class_id), one.score);
    const absl::Status status = DrawBox(image, one.box, ColorOf(one.class_id), tag);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DrawObjects(Tensor& image, absl::Span<const LabelledBox> objects,
                         absl::Span<const std::string> classes) {
  for (const LabelledBox& one : objects) {
    Box outer = one.box;
    outer.x1 -= 1, outer.y1 -= 1, outer.x2 += 1, outer.y2 += 1;
    const std::string tag =
        absl::StrCat(ClassName(classes, one.class_id), one.difficult ? "*" : "");
    absl::Status status = DrawBox(image, outer, {0, 0, 0}, "");
    if (status.ok()) status = DrawBox(image, one.box, {255, 255, 255}, tag);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace trainyard
