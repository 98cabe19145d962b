#include "libs/data/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

using model::v1::Preprocess;

constexpr float kMinSide = 1e-3f;

// Where an output row or column comes from: a * source[near] + b * source[far].
struct Tap {
  int64_t near, far;
  float a, b;
};

// OpenCV's rule for INTER_LINEAR on floats.
std::vector<Tap> MakeTaps(int64_t source, int64_t target) {
  std::vector<Tap> taps(static_cast<size_t>(target));
  const double scale = static_cast<double>(source) / static_cast<double>(target);
  for (int64_t i = 0; i < target; ++i) {
    auto place = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    auto near = static_cast<int64_t>(std::floor(place));
    place -= static_cast<float>(near);
    if (near < 0) near = 0, place = 0;
    if (near >= source - 1) near = source - 1, place = 0;
    taps[static_cast<size_t>(i)] = {near, std::min(near + 1, source - 1), 1.0f - place, place};
  }
  return taps;
}

// One source row, resized to the output's width; interleaved RGB.
void ResizeRow(const uint8_t* source, const std::vector<Tap>& taps, float* out) {
  for (const Tap& tap : taps) {
    const uint8_t* const left = source + tap.near * 3;
    const uint8_t* const right = source + tap.far * 3;
    for (int c = 0; c < 3; ++c) *out++ = left[c] * tap.a + right[c] * tap.b;
  }
}

// Takes resized rows, interleaved RGB, to the planes of the input.
class PlaneWriter {
 public:
  PlaneWriter(const Preprocess& preprocess, float* out)
      : width_(preprocess.width()),
        plane_(int64_t{preprocess.width()} * preprocess.height()),
        gray_(preprocess.order() == Preprocess::GRAY),
        scale_(preprocess.scale()),
        out_(out) {
    for (int c = 0; c < preprocess.mean_size(); ++c)
      mean_[static_cast<size_t>(c)] = preprocess.mean(c);
    if (preprocess.order() == Preprocess::BGR) source_ = {2, 1, 0};
  }

  void Write(int64_t y, const float* rgb) const {
    float* const row = out_ + y * width_;
    if (gray_) {
      for (int64_t x = 0; x < width_; ++x, rgb += 3) {
        row[x] = (0.1140f * rgb[2] + 0.5870f * rgb[1] + 0.2990f * rgb[0] - mean_[0]) * scale_;
      }
      return;
    }
    for (size_t c = 0; c < 3; ++c) {
      float* const plane = row + static_cast<int64_t>(c) * plane_;
      const float* from = rgb + source_[c];
      for (int64_t x = 0; x < width_; ++x, from += 3) plane[x] = (*from - mean_[c]) * scale_;
    }
  }

 private:
  int64_t width_, plane_;
  bool gray_;
  float scale_;
  float* out_;
  std::array<float, 3> mean_{};
  std::array<int, 3> source_ = {0, 1, 2};
};

// Keeps the two source rows that neighbouring output rows share.
class RowCache {
 public:
  RowCache(const Tensor& image, int64_t width)
      : pixels_(image.data<uint8_t>().data()),
        stride_(image.dim(1) * 3),
        taps_(MakeTaps(image.dim(1), width)) {
    for (auto& row : rows_) row.resize(static_cast<size_t>(width) * 3);
  }

  const float* Row(int64_t y) {
    const auto slot = static_cast<size_t>(y & 1);
    if (held_[slot] != y) {
      ResizeRow(pixels_ + y * stride_, taps_, rows_[slot].data());
      held_[slot] = y;
    }
    return rows_[slot].data();
  }

 private:
  const uint8_t* pixels_;
  int64_t stride_;
  std::vector<Tap> taps_;
  std::array<std::vector<float>, 2> rows_;
  std::array<int64_t, 2> held_ = {-1, -1};
};

}  // namespace

int64_t ChannelsOf(const Preprocess& preprocess) {
  return preprocess.order() == Preprocess::GRAY ? 1 : 3;
}

absl::Status CheckPreprocess(const Preprocess& preprocess) {
  Problems problems;
  if (preprocess.width() < 1 || preprocess.width() > kMaxImageSide) {
    problems.Add("preprocess.width", "is %d; expected 1 to %d", preprocess.width(), kMaxImageSide);
  }
  if (preprocess.height() < 1 || preprocess.height() > kMaxImageSide) {
    problems.Add("preprocess.height", "is %d; expected 1 to %d", preprocess.height(),
                 kMaxImageSide);
  }
  if (preprocess.order() != Preprocess::BGR && preprocess.order() != Preprocess::RGB &&
      preprocess.order() != Preprocess::GRAY) {
    problems.Add("preprocess.order", "is %d; expected BGR, RGB or GRAY",
                 static_cast<int>(preprocess.order()));
  }
  if (preprocess.mean_size() != ChannelsOf(preprocess)) {
    problems.Add("preprocess.mean", "has %d values; expected %d", preprocess.mean_size(),
                 ChannelsOf(preprocess));
  }
  if (!std::isfinite(preprocess.scale()) || preprocess.scale() == 0) {
    problems.Add("preprocess.scale", "is %g; expected a finite number other than 0",
                 preprocess.scale());
  }
  return problems.ToStatus();
}

absl::Status PreprocessImage(const Tensor& image, const Preprocess& preprocess,
                             absl::Span<float> out) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preprocess));
  if (image.dtype() != DType::kUInt8 || image.rank() != 3 || image.dim(2) != 3 ||
      image.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the image is %s %s; expected u8 [height, width, 3]", NameOf(image.dtype()),
                        ShapeText(image.shape())));
  }
  const int64_t width = preprocess.width(), height = preprocess.height();
  if (static_cast<int64_t>(out.size()) != ChannelsOf(preprocess) * width * height) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the input has room for %d values; expected %d x %d x %d", out.size(),
                        ChannelsOf(preprocess), height, width));
  }
  const PlaneWriter writer(preprocess, out.data());
  RowCache cache(image, width);
  std::vector<float> blended(static_cast<size_t>(width) * 3);
  const std::vector<Tap> taps = MakeTaps(image.dim(0), height);
  for (int64_t y = 0; y < height; ++y) {
    const Tap& tap = taps[static_cast<size_t>(y)];
    const float* const near = cache.Row(tap.near);
    if (tap.b == 0) {
      writer.Write(y, near);
      continue;
    }
    const float* const far = cache.Row(tap.far);
    for (size_t i = 0; i < blended.size(); ++i) blended[i] = near[i] * tap.a + far[i] * tap.b;
    writer.Write(y, blended.data());
  }
  return absl::OkStatus();
}

void ClipBoxes(std::vector<LabelledBox>& boxes, int64_t width, int64_t height) {
  const auto right = static_cast<float>(width - 1);
  const auto bottom = static_cast<float>(height - 1);
  for (LabelledBox& labelled : boxes) {
    Box& box = labelled.box;
    box = {std::clamp(box.x1, 0.0f, right), std::clamp(box.y1, 0.0f, bottom),
           std::clamp(box.x2, 0.0f, right), std::clamp(box.y2, 0.0f, bottom)};
  }
  boxes.erase(std::remove_if(boxes.begin(), boxes.end(),
                             [](const LabelledBox& labelled) {
                               return !(labelled.box.width() > kMinSide &&
                                        labelled.box.height() > kMinSide);
                             }),
              boxes.end());
}

std::vector<LabelledBox> BoxesToInput(absl::Span<const LabelledBox> boxes, ImageSize image,
                                      const Preprocess& preprocess) {
  const double sx = static_cast<double>(preprocess.width()) / static_cast<double>(image.width);
  const double sy = static_cast<double>(preprocess.height()) / static_cast<double>(image.height);
  const auto scaled = [](float value, double scale) {
    // std::nearbyint rounds half to even in the default mode, which nobody changes here.
    return static_cast<float>(std::nearbyint(value * scale));
  };
  std::vector<LabelledBox> result;
  for (LabelledBox labelled : boxes) {
    const Box& box = labelled.box;
    labelled.box = {scaled(box.x1, sx), scaled(box.y1, sy), scaled(box.x2, sx), scaled(box.y2, sy)};
    result.push_back(labelled);
  }
  ClipBoxes(result, preprocess.width(), preprocess.height());
  return result;
}

}  // namespace trainyard
