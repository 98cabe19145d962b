#include "libs/data/preprocess.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/internal/resample.h"

namespace trainyard::data {
namespace {

using model::v1::Preprocess;

constexpr float kMinSide = 1e-3f;

// Wider than any network's margin; beyond it sides could leave their range.
constexpr int kMaxCropMargin = 4096;

void CheckColours(const Preprocess& preprocess, Problems& problems) {
  const int64_t channels = ChannelsOf(preprocess);
  if (preprocess.mean_size() != channels) {
    problems.Add("preprocess.mean", "has %d values; expected %d", preprocess.mean_size(), channels);
  }
  if (!std::isfinite(preprocess.scale()) || preprocess.scale() == 0) {
    problems.Add("preprocess.scale", "is %g; expected a finite number other than 0",
                 preprocess.scale());
  }
  if (preprocess.std_size() != 0 && preprocess.std_size() != channels) {
    problems.Add("preprocess.std", "has %d values; expected %d, or none", preprocess.std_size(),
                 channels);
  }
  for (int c = 0; c < preprocess.std_size(); ++c) {
    if (std::isfinite(preprocess.std(c)) && preprocess.std(c) > 0) continue;
    problems.Add(absl::StrFormat("preprocess.std[%d]", c),
                 "is %g; expected a finite number above 0", preprocess.std(c));
  }
}

void CheckScaling(const Preprocess& preprocess, Problems& problems) {
  if (!Preprocess::Resize_IsValid(preprocess.resize())) {
    problems.Add("preprocess.resize", "is %d; expected STRETCH or CENTER_CROP",
                 static_cast<int>(preprocess.resize()));
  }
  if (preprocess.crop_margin() < 0 || preprocess.crop_margin() > kMaxCropMargin) {
    problems.Add("preprocess.crop_margin", "is %d; expected 0 to %d", preprocess.crop_margin(),
                 kMaxCropMargin);
  }
  if (!Preprocess::Interpolation_IsValid(preprocess.interpolation())) {
    problems.Add("preprocess.interpolation", "is %d; expected BILINEAR or BICUBIC",
                 static_cast<int>(preprocess.interpolation()));
  }
}

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
  CheckColours(preprocess, problems);
  CheckScaling(preprocess, problems);
  return problems.ToStatus();
}

absl::Status PreprocessImage(const Tensor& image, const Preprocess& preprocess,
                             absl::Span<float> out) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preprocess));
  TY_RETURN_IF_ERROR(internal::CheckPicture(image));
  const ImageSize size = {.width = image.dim(1), .height = image.dim(0)};
  return internal::FillInput(image, internal::CutOf(preprocess, size), preprocess, out);
}

Tensor PictureOf(const Tensor& input, const Preprocess& preprocess) {
  const int64_t channels = input.dim(0), height = input.dim(1), width = input.dim(2);
  Tensor picture = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  const bool bgr = preprocess.order() == Preprocess::BGR;
  const absl::Span<const float> values = input.data<float>();
  const absl::Span<uint8_t> pixels = picture.data<uint8_t>();
  const auto plane = static_cast<size_t>(height * width);
  for (size_t c = 0; c < 3; ++c) {
    const size_t from = channels == 1 ? 0 : bgr ? 2 - c : c;
    const int channel = static_cast<int>(from);
    const float mean = preprocess.mean(channel);
    const float factor =
        (preprocess.std_size() == 0 ? 1 : preprocess.std(channel)) / preprocess.scale();
    for (size_t i = 0; i < plane; ++i) {
      // A value that is no number is black.
      const float value = std::nearbyint(values[from * plane + i] * factor + mean);
      pixels[i * 3 + c] = value > 0 ? static_cast<uint8_t>(std::min(value, 255.0f)) : 0;
    }
  }
  return picture;
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

}  // namespace trainyard::data
