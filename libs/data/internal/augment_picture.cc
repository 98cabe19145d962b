#include "libs/data/internal/augment_picture.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard::data::internal {
namespace {

using spec::augment::v1::AugmentConfig;
using spec::augment::v1::ColorConfig;
using spec::augment::v1::SpatialConfig;

constexpr double kPi = 3.14159265358979323846;
// OpenCV moves pixels by coordinates of 16 bits.
constexpr int kMaxMovedSide = 32766;

// 3 x 3 matrices act on (x, y, 1), where pixel i covers [i, i + 1).
cv::Matx33d Shift(double x, double y) { return {1, 0, x, 0, 1, y, 0, 0, 1}; }

// The turn, mirror, shear and shift of the spec, for a picture of this size.
cv::Matx33d SpatialMatrix(const SpatialConfig& config, cv::Size size) {
  const double unit = config.rotation_config().units() == "radians" ? 1 : kPi / 180;
  const double angle = config.rotation_config().angle() * unit;
  const double c = std::cos(angle), s = std::sin(angle);
  // y points down, so that this turns counter-clockwise for the one who looks at it.
  const cv::Matx33d turn(c, s, 0, -s, c, 0, 0, 0, 1);
  const cv::Matx33d mirror(config.flip_config().flip_horizontal() ? -1 : 1, 0, 0,  //
                           0, config.flip_config().flip_vertical() ? -1 : 1, 0,    //
                           0, 0, 1);
  const cv::Matx33d shear(1, config.shear_config().shear_ratio_x(), 0,  //
                          config.shear_config().shear_ratio_y(), 1, 0,  //
                          0, 0, 1);
  const double cx = size.width / 2.0, cy = size.height / 2.0;
  return Shift(config.translation_config().translate_x(),
               config.translation_config().translate_y()) *
         Shift(cx, cy) * shear * mirror * turn * Shift(-cx, -cy);
}

// Hue, saturation, contrast and brightness as one 3 x 4 matrix on (r, g, b, 1) of 0..255.
cv::Matx34d ColourMatrix(const ColorConfig& config) {
  // NTSC's YIQ; its inverse is computed, so that neutral settings give the identity.
  const cv::Matx33d to_yiq(0.299, 0.587, 0.114,       //
                           0.5959, -0.2746, -0.3213,  //
                           0.2115, -0.5227, 0.3112);
  const double angle = config.hue_saturation_config().hue_rotation_angle() * kPi / 180;
  const double saturation = config.hue_saturation_config().saturation_shift();
  const double c = saturation * std::cos(angle), s = saturation * std::sin(angle);
  const cv::Matx33d chroma(1, 0, 0, 0, c, -s, 0, s, c);
  const double gain = 1.0 + config.contrast_config().contrast();
  const double centre = config.contrast_config().center();
  const cv::Matx33d colours = to_yiq.inv() * chroma * to_yiq * gain;
  const double offset = centre * (1 - gain) + config.brightness_config().offset();
  cv::Matx34d matrix;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) matrix(row, column) = colours(row, column);
    matrix(row, 3) = offset;
  }
  return matrix;
}

template <typename Matrix>
bool IsIdentity(const Matrix& matrix) {
  for (int row = 0; row < matrix.rows; ++row) {
    for (int column = 0; column < matrix.cols; ++column) {
      if (std::abs(matrix(row, column) - (row == column ? 1 : 0)) > 1e-9) return false;
    }
  }
  return true;
}

cv::Mat MovePixels(const cv::Mat& image, const cv::Matx33d& move, cv::Size target) {
  cv::Mat moved = image;
  if (!IsIdentity(move)) {
    // OpenCV's coordinates have their origin in the centre of the first pixel.
    const cv::Matx33d m = Shift(-0.5, -0.5) * move * Shift(0.5, 0.5);
    const cv::Matx23d top(m(0, 0), m(0, 1), m(0, 2), m(1, 0), m(1, 1), m(1, 2));
    cv::warpAffine(image, moved, top, image.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT);
  }
  if (moved.size() == target) return moved;
  const bool smaller = target.width < image.cols && target.height < image.rows;
  cv::Mat resized;
  cv::resize(moved, resized, target, 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

cv::Mat ChangeColours(const AugmentConfig& config, cv::Mat image) {
  const cv::Matx34d matrix = ColourMatrix(config.color_config());
  if (!IsIdentity(matrix)) {
    // Row by row: floats of a whole picture take four times its memory.
    cv::Mat values;
    for (int row = 0; row < image.rows; ++row) {
      cv::Mat pixels = image.row(row);
      pixels.convertTo(values, CV_32F);
      cv::transform(values, values, matrix);
      values.convertTo(pixels, CV_8U);  // Rounds and saturates.
    }
  }
  if (config.output_image_channel() == 1) cv::cvtColor(image, image, cv::COLOR_RGB2GRAY);
  const int side = static_cast<int>(config.blur_config().size());
  if (side > 0) {
    cv::GaussianBlur(image, image, {side, side}, static_cast<double>(config.blur_config().std()));
  }
  return image;
}

// With the two decimals of a label file, so that what is judged here is what its readers see.
float AsWritten(double value) { return static_cast<float>(std::nearbyint(value * 100) / 100); }

Box MoveBox(const Box& box, const cv::Matx33d& move) {
  const double xs[] = {box.x1, box.x2, box.x1, box.x2};
  const double ys[] = {box.y1, box.y1, box.y2, box.y2};
  cv::Vec2d low(INFINITY, INFINITY), high(-INFINITY, -INFINITY);
  for (int corner = 0; corner < 4; ++corner) {
    const cv::Vec3d moved = move * cv::Vec3d(xs[corner], ys[corner], 1);
    for (int axis = 0; axis < 2; ++axis) {
      low[axis] = std::min(low[axis], moved[axis]);
      high[axis] = std::max(high[axis], moved[axis]);
    }
  }
  return {AsWritten(low[0]), AsWritten(low[1]), AsWritten(high[0]), AsWritten(high[1])};
}

// False when nothing is left of it.
bool ClipBox(cv::Size size, Box& box) {
  const auto width = static_cast<float>(size.width), height = static_cast<float>(size.height);
  box = {std::clamp(box.x1, 0.0f, width), std::clamp(box.y1, 0.0f, height),
         std::clamp(box.x2, 0.0f, width), std::clamp(box.y2, 0.0f, height)};
  // The same test that readers of label files make.
  return static_cast<int>(box.x1) < static_cast<int>(box.x2) &&
         static_cast<int>(box.y1) < static_cast<int>(box.y2);
}

// Whether more than the rounding of a corner was clipped.
bool IsCut(const Box& moved, const Box& clipped) {
  constexpr float kRounding = 1e-3f;
  return clipped.x1 - moved.x1 > kRounding || clipped.y1 - moved.y1 > kRounding ||
         moved.x2 - clipped.x2 > kRounding || moved.y2 - clipped.y2 > kRounding;
}

// `config` has its defaults. Throws what OpenCV throws.
absl::StatusOr<AugmentedSample> TransformOrThrow(const AugmentConfig& config, const Tensor& image,
                                                 const std::vector<KittiObject>& objects) {
  const cv::Mat source(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                       const_cast<uint8_t*>(image.data<uint8_t>().data()));
  const cv::Size target(
      config.has_output_image_width() ? static_cast<int>(config.output_image_width()) : source.cols,
      config.has_output_image_height() ? static_cast<int>(config.output_image_height())
                                       : source.rows);
  if (int64_t{target.width} * target.height > kMaxImagePixels || target.width > kMaxImageSide ||
      target.height > kMaxImageSide) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "output_image_width and output_image_height are %d and %d; at most %d pixels in all",
        target.width, target.height, kMaxImagePixels));
  }
  const cv::Matx33d move = SpatialMatrix(config.spatial_config(), source.size());
  if (!IsIdentity(move) && std::max(source.cols, source.rows) > kMaxMovedSide) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the picture is %d x %d; spatial_config turns, mirrors, shears and shifts at most %d a side",
        source.cols, source.rows, kMaxMovedSide));
  }
  const cv::Mat result = ChangeColours(config, MovePixels(source, move, target).clone());

  AugmentedSample sample;
  TY_ASSIGN_OR_RETURN(sample.image,
                      Tensor::Create(DType::kUInt8, {result.rows, result.cols, result.channels()}));
  cv::Mat out(result.size(), result.type(), sample.image.data<uint8_t>().data());
  result.copyTo(out);
  cv::Matx33d move_and_scale = move;
  for (int column = 0; column < 3; ++column) {
    move_and_scale(0, column) *= static_cast<double>(target.width) / source.cols;
    move_and_scale(1, column) *= static_cast<double>(target.height) / source.rows;
  }
  for (KittiObject object : objects) {
    object.box = MoveBox(object.box, move_and_scale);
    const Box moved = object.box;
    if (ClipBox(target, object.box)) {
      if (IsCut(moved, object.box)) sample.clipped_lines.push_back(object.line);
      sample.objects.push_back(std::move(object));
    } else {
      ++sample.vanished;
      sample.vanished_lines.push_back(object.line);
    }
  }
  return sample;
}

}  // namespace

absl::StatusOr<AugmentedSample> AugmentPicture(const AugmentConfig& config, const Tensor& image,
                                               const std::vector<KittiObject>& objects) {
  try {
    return TransformOrThrow(config, image, objects);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV: ", error.what()));
  }
}

}  // namespace trainyard::data::internal
