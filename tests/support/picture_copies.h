#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "libs/data/image_io.h"
#include "libs/tensor/tensor.h"
#include "opencv2/core.hpp"
#include "opencv2/imgproc.hpp"

namespace trainyard::testing {

/// The picture at `scale` times its size, as OpenCV makes it: what a tool that exports data sets does.
inline Tensor Resized(const Tensor& picture, double scale) {
  const cv::Mat from(static_cast<int>(picture.dim(0)), static_cast<int>(picture.dim(1)), CV_8UC3,
                     const_cast<uint8_t*>(picture.data<uint8_t>().data()));
  const int64_t height = std::max<int64_t>(1, std::lround(scale * from.rows));
  const int64_t width = std::max<int64_t>(1, std::lround(scale * from.cols));
  Tensor resized = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  cv::Mat to(static_cast<int>(height), static_cast<int>(width), CV_8UC3,
             resized.data<uint8_t>().data());
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_LINEAR);
  return resized;
}

/// A copy of a picture as files of data sets are: another size, another quality.
inline std::string CopyOf(const Tensor& picture, double scale, int quality) {
  return data::EncodeJpeg(scale == 1 ? picture : Resized(picture, scale), quality).value();
}

}  // namespace trainyard::testing
