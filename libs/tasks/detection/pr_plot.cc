#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "libs/tasks/detection/detection_evaluation.h"

namespace trainyard::tasks {
namespace {

constexpr int kWidth = 960, kHeight = 720;
constexpr int kLeft = 80, kRight = 260, kTop = 40, kBottom = 70;
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
const cv::Scalar kInk(40, 40, 40), kGrid(225, 225, 225);

// Colours that can be told apart, also by people who see red and green alike (Okabe and Ito).
const cv::Scalar kColors[] = {{0, 114, 178},   {213, 94, 0},   {0, 158, 115}, {204, 121, 167},
                              {230, 159, 0},   {86, 180, 233}, {0, 0, 0},     {148, 103, 189},
                              {128, 128, 128}, {240, 228, 66}};
constexpr size_t kColorCount = sizeof(kColors) / sizeof(kColors[0]);

cv::Point PointOf(double recall, double precision) {
  return {kLeft + static_cast<int>(recall * (kWidth - kLeft - kRight)),
          kHeight - kBottom - static_cast<int>(precision * (kHeight - kTop - kBottom))};
}

void DrawText(cv::Mat& plot, const std::string& text, cv::Point at, double scale = 0.45) {
  cv::putText(plot, text, at, kFont, scale, kInk, 1, cv::LINE_AA);
}

void DrawAxes(cv::Mat& plot) {
  for (int i = 0; i <= 10; ++i) {
    const double at = i / 10.0;
    cv::line(plot, PointOf(at, 0), PointOf(at, 1), kGrid);
    cv::line(plot, PointOf(0, at), PointOf(1, at), kGrid);
    const std::string label = absl::StrFormat("%.1f", at);
    DrawText(plot, label, PointOf(at, 0) + cv::Point(-12, 20));
    DrawText(plot, label, PointOf(0, at) + cv::Point(-38, 5));
  }
  cv::rectangle(plot, PointOf(0, 1), PointOf(1, 0), kInk);
  DrawText(plot, "recall", PointOf(0.46, 0) + cv::Point(0, 48), 0.6);
  DrawText(plot, "precision", PointOf(0, 1) + cv::Point(-60, -14), 0.6);
}

void DrawCurve(cv::Mat& plot, const std::vector<double>& recall,
               const std::vector<double>& precision, const cv::Scalar& color) {
  std::vector<cv::Point> points;
  for (size_t i = 0; i < recall.size(); ++i) points.push_back(PointOf(recall[i], precision[i]));
  if (points.empty()) return;
  points.insert(points.begin(), PointOf(0, precision.front()));
  cv::polylines(plot, points, false, color, 2, cv::LINE_AA);
}

}  // namespace

Tensor DrawPrCurves(const DetectionEvaluation& evaluation) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {kHeight, kWidth, 3});
  cv::Mat plot(kHeight, kWidth, CV_8UC3, image.raw());
  plot.setTo(cv::Scalar(255, 255, 255));
  DrawAxes(plot);
  for (size_t i = 0; i < evaluation.ap.classes.size(); ++i) {
    const ClassResult& one = evaluation.ap.classes[i];
    const cv::Scalar& color = kColors[i % kColorCount];
    const bool raw = evaluation.ap_mode == ApMode::kSample;
    DrawCurve(plot, one.curve.recall, raw ? one.curve.precision : one.curve.envelope, color);
    const cv::Point at(kWidth - kRight + 20, kTop + 20 + 24 * static_cast<int>(i));
    if (at.y > kHeight - kBottom) continue;  // more classes than the legend has room for
    cv::line(plot, at + cv::Point(0, -5), at + cv::Point(24, -5), color, 3);
    DrawText(plot, absl::StrFormat("%s  %.3f", one.name, one.ap), at + cv::Point(32, 0));
  }
  return image;
}

}  // namespace trainyard::tasks
