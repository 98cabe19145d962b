#include "libs/data/internal/photometric.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"

namespace trainyard::data::internal {
namespace {

// Brightness and contrast act on one value at a time, so that 256 answers serve a whole picture.
cv::Mat LevelTable(std::optional<double> brightness, std::optional<double> contrast) {
  cv::Mat table(1, 256, CV_8U);
  for (int i = 0; i < 256; ++i) {
    double value = i;
    if (brightness) value = std::clamp(value + *brightness, 0.0, 255.0);
    if (contrast) value = std::clamp(127.5 + *contrast * (value - 127.5), 0.0, 255.0);
    table.at<uint8_t>(i) = static_cast<uint8_t>(std::nearbyint(value));
  }
  return table;
}

cv::Mat HueSaturationTable(const Photometric& p) {
  cv::Mat table(1, 256, CV_8UC3);
  for (int i = 0; i < 256; ++i) {
    double hue = std::fmod(i + p.hue.value_or(0), 180.0);
    if (hue < 0) hue += 180.0;
    const double saturation =
        std::clamp(i * p.saturation.value_or(1) + p.saturation_shift.value_or(0), 0.0, 255.0);
    // 179.7 rounds to 180, which is 0 on the circle.
    const int rounded_hue = static_cast<int>(std::nearbyint(hue)) % 180;
    table.at<cv::Vec3b>(i) = {static_cast<uint8_t>(rounded_hue),
                              static_cast<uint8_t>(std::nearbyint(saturation)),
                              static_cast<uint8_t>(i)};
  }
  return table;
}

}  // namespace

Photometric DrawPhotometric(double brightness, double contrast, double saturation, double hue,
                            Philox& random) {
  Photometric p;
  p.contrast_last = random.Chance(0.5);
  if (random.Chance(0.5)) p.brightness = random.Uniform(-brightness, brightness);
  if (random.Chance(0.5)) p.contrast = random.Uniform(1 - contrast, 1 + contrast);
  if (random.Chance(0.5)) p.saturation = random.Uniform(1 - saturation, 1 + saturation);
  if (random.Chance(0.5)) p.hue = random.Uniform(-hue, hue);
  return p;
}

void ApplyPhotometric(const Photometric& p, const cv::Mat& source, cv::Mat& target) {
  const bool contrast_first = p.contrast && !p.contrast_last;
  const cv::Mat* current = &source;
  if (p.brightness || contrast_first) {
    cv::LUT(*current, LevelTable(p.brightness, contrast_first ? p.contrast : std::nullopt), target);
    current = &target;
  }
  if (p.saturation || p.saturation_shift || p.hue) {
    cv::Mat hsv;
    cv::cvtColor(*current, hsv, cv::COLOR_RGB2HSV);
    cv::LUT(hsv, HueSaturationTable(p), hsv);
    cv::cvtColor(hsv, target, cv::COLOR_HSV2RGB);
    current = &target;
  }
  if (p.contrast && p.contrast_last) {
    cv::LUT(*current, LevelTable(std::nullopt, p.contrast), target);
    current = &target;
  }
  if (current == &source && target.data != source.data) source.copyTo(target);
}

absl::Status ApplyPhotometric(const Photometric& photometric, Tensor& picture) {
  KeepOpenCvToOneThread();
  try {
    cv::Mat pixels(static_cast<int>(picture.dim(0)), static_cast<int>(picture.dim(1)), CV_8UC3,
                   picture.data<uint8_t>().data());
    ApplyPhotometric(photometric, pixels, pixels);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV: ", error.what()));
  }
  return absl::OkStatus();
}

void KeepOpenCvToOneThread() {
  static const bool one_thread = (cv::setNumThreads(1), true);
  (void)one_thread;
}

}  // namespace trainyard::data::internal
