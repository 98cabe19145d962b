#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/tasks/classification/classification_evaluation.h"

namespace trainyard::tasks {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kScale = 0.4;
const cv::Scalar kInk(40, 40, 40), kPaper(255, 255, 255);
// Numbers and names need cells of this many pixels; below, there are colours alone.
constexpr int kLeastReadable = 24;
constexpr int kMostCell = 60, kMatrix = 960, kMargin = 40, kLongestName = 160;

cv::Size SizeOf(const std::string& text) {
  return cv::getTextSize(text, kFont, kScale, 1, nullptr);
}

// The name, cut to what fits in `width` pixels.
std::string Fitting(std::string name, int width) {
  while (!name.empty() && SizeOf(name).width > width) name.pop_back();
  return name;
}

void DrawText(cv::Mat& plot, const std::string& text, cv::Point at, const cv::Scalar& ink = kInk) {
  cv::putText(plot, text, at, kFont, kScale, ink, 1, cv::LINE_AA);
}

// White for none of the true class, dark blue for all of it.
cv::Scalar ColourFor(double part) {
  return {255 - part * (255 - 8), 255 - part * (255 - 48), 255 - part * (255 - 107)};
}

void DrawRow(cv::Mat& plot, const ClassificationEvaluation& found, size_t row, cv::Point corner,
             int cell) {
  const size_t width = found.classes.size();
  const auto support = static_cast<double>(std::max<int64_t>(1, found.counts[row].support));
  for (size_t column = 0; column < width; ++column) {
    const int64_t count = found.confusion[row * width + column];
    const double part = static_cast<double>(count) / support;
    const cv::Rect area(corner.x + static_cast<int>(column) * cell, corner.y, cell, cell);
    cv::rectangle(plot, area, ColourFor(part), cv::FILLED);
    const std::string text = absl::StrCat(count);
    const cv::Size size = SizeOf(text);
    if (cell < kLeastReadable || size.width > cell) continue;
    DrawText(plot, text, {area.x + (cell - size.width) / 2, area.y + (cell + size.height) / 2},
             part > 0.5 ? kPaper : kInk);
  }
}

// Names of columns stand on end, so that they fit in any cell.
void DrawColumnName(cv::Mat& plot, const std::string& name, cv::Point bottom) {
  const cv::Size size = SizeOf(name);
  if (size.width == 0) return;
  cv::Mat flat(size.height + 8, size.width + 4, CV_8UC3, kPaper), upright;
  DrawText(flat, name, {2, size.height + 2});
  cv::rotate(flat, upright, cv::ROTATE_90_COUNTERCLOCKWISE);
  const cv::Rect wanted(bottom.x - upright.cols / 2, bottom.y - upright.rows, upright.cols,
                        upright.rows);
  const cv::Rect seen = wanted & cv::Rect(0, 0, plot.cols, plot.rows);
  if (!seen.empty()) upright(seen - wanted.tl()).copyTo(plot(seen));
}

}  // namespace

Tensor DrawConfusion(const ClassificationEvaluation& evaluation) {
  const int classes = static_cast<int>(evaluation.classes.size());
  const int cell = std::clamp(kMatrix / std::max(1, classes), 1, kMostCell);
  const bool readable = cell >= kLeastReadable;
  const int head = kMargin + (readable ? kLongestName : 0);
  const int side = head + classes * cell + kMargin;
  // Room for the title, which is wider than a small matrix.
  const int width = std::max(side, head + 320);
  Tensor image = Tensor::Zeros(DType::kUInt8, {side, width, 3});
  cv::Mat plot(side, width, CV_8UC3, image.raw());
  plot.setTo(kPaper);
  DrawText(plot, "confusion matrix: rows true class, columns predicted class", {8, 20});
  for (int i = 0; i < classes; ++i) {
    DrawRow(plot, evaluation, static_cast<size_t>(i), {head, head + i * cell}, cell);
    if (!readable) continue;
    const std::string name = Fitting(evaluation.classes[static_cast<size_t>(i)], kLongestName);
    const cv::Size size = SizeOf(name);
    DrawText(plot, name, {head - 8 - size.width, head + i * cell + (cell + size.height) / 2});
    DrawColumnName(plot, name, {head + i * cell + cell / 2, head - 6});
  }
  cv::rectangle(
      plot, cv::Rect(head, head, std::max(1, classes * cell), std::max(1, classes * cell)), kInk);
  return image;
}

}  // namespace trainyard::tasks
