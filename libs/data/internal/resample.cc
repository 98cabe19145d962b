#include "libs/data/internal/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"

namespace trainyard::data::internal {
namespace {

using model::v1::Preprocess;

// Where an output row or column comes from: the sum of weight[k] * source[at[k]].
template <size_t N>
struct Tap {
  std::array<int64_t, N> at;
  std::array<float, N> weight;
};

// OpenCV's rule for INTER_LINEAR on floats, `place` behind the centre of pixel `near`.
Tap<2> LinearTap(int64_t near, float place, int64_t source) {
  if (near < 0) near = 0, place = 0;
  if (near >= source - 1) near = source - 1, place = 0;
  return {{near, std::min(near + 1, source - 1)}, {1.0f - place, place}};
}

// OpenCV's rule for INTER_CUBIC on floats: the kernel of Keys (doi:10.1109/TASSP.1981.1163711) with
// a = -0.75.
Tap<4> CubicTap(int64_t near, float place, int64_t source) {
  constexpr float kA = -0.75f;
  const float before = place + 1, after = 1 - place;
  Tap<4> tap{};
  tap.weight[0] = ((kA * before - 5 * kA) * before + 8 * kA) * before - 4 * kA;
  tap.weight[1] = ((kA + 2) * place - (kA + 3)) * place * place + 1;
  tap.weight[2] = ((kA + 2) * after - (kA + 3)) * after * after + 1;
  tap.weight[3] = 1 - tap.weight[0] - tap.weight[1] - tap.weight[2];
  for (size_t k = 0; k < tap.at.size(); ++k) {
    tap.at[k] = std::clamp<int64_t>(near - 1 + static_cast<int64_t>(k), 0, source - 1);
  }
  return tap;
}

template <size_t N>
std::vector<Tap<N>> MakeTaps(int64_t source, const AxisCut& cut) {
  std::vector<Tap<N>> taps(static_cast<size_t>(cut.count));
  const double scale = cut.length / static_cast<double>(cut.count);
  for (int64_t i = 0; i < cut.count; ++i) {
    const auto place = static_cast<float>(cut.begin + (static_cast<double>(i) + 0.5) * scale - 0.5);
    const auto near = static_cast<int64_t>(std::floor(place));
    const float behind = place - static_cast<float>(near);
    if constexpr (N == 2) {
      taps[static_cast<size_t>(i)] = LinearTap(near, behind, source);
    } else {
      taps[static_cast<size_t>(i)] = CubicTap(near, behind, source);
    }
  }
  return taps;
}

// of(0) to of(N - 1). Written out like Sum, for -O2 keeps a loop over N and its array in memory.
template <size_t... K, typename Of>
auto Each(std::index_sequence<K...>, const Of& of) {
  return std::array{of(K)...};
}

template <size_t N, typename T>
float Sum(const std::array<const T*, N>& from, const std::array<float, N>& weight, size_t i) {
  if constexpr (N == 2) {
    return from[0][i] * weight[0] + from[1][i] * weight[1];
  } else {
    static_assert(N == 4);
    return from[0][i] * weight[0] + from[1][i] * weight[1] + from[2][i] * weight[2] +
           from[3][i] * weight[3];
  }
}

// One source row, resized to the output's width; interleaved RGB.
template <size_t N>
void ResizeRow(const uint8_t* source, const std::vector<Tap<N>>& taps, float* out) {
  for (const Tap<N>& tap : taps) {
    const auto from =
        Each(std::make_index_sequence<N>(), [&](size_t k) { return source + tap.at[k] * 3; });
    const std::array<float, N> weight = tap.weight;
    out[0] = Sum(from, weight, 0);
    out[1] = Sum(from, weight, 1);
    out[2] = Sum(from, weight, 2);
    out += 3;
  }
}

// Keeps the N source rows that neighbouring output rows share.
template <size_t N>
class RowCache {
 public:
  RowCache(const Tensor& image, const Cut& cut)
      : pixels_(image.data<uint8_t>().data()),
        stride_(image.dim(1) * 3),
        taps_(MakeTaps<N>(image.dim(1), cut.x)) {
    if (cut.mirrored) std::reverse(taps_.begin(), taps_.end());
    for (auto& row : rows_) row.resize(static_cast<size_t>(cut.x.count) * 3);
    held_.fill(-1);
  }

  // Rows that follow each other have different slots, so N of them can be asked for together.
  const float* Row(int64_t y) {
    const size_t slot = static_cast<size_t>(y) % N;
    if (held_[slot] != y) {
      ResizeRow(pixels_ + y * stride_, taps_, rows_[slot].data());
      held_[slot] = y;
    }
    return rows_[slot].data();
  }

 private:
  const uint8_t* pixels_;
  int64_t stride_;
  std::vector<Tap<N>> taps_;
  std::array<std::vector<float>, N> rows_;
  std::array<int64_t, N> held_;
};

// Hands each row of the cut to `write(y, row)`, interleaved RGB in floats.
template <size_t N, typename Write>
void Resample(const Tensor& image, const Cut& cut, const Write& write) {
  RowCache<N> cache(image, cut);
  std::vector<float> blended(static_cast<size_t>(cut.x.count) * 3);
  const std::vector<Tap<N>> taps = MakeTaps<N>(image.dim(0), cut.y);
  for (int64_t y = 0; y < cut.y.count; ++y) {
    const Tap<N>& tap = taps[static_cast<size_t>(y)];
    if (N == 2 && tap.weight[1] == 0) {
      write(y, cache.Row(tap.at[0]));
      continue;
    }
    const auto rows =
        Each(std::make_index_sequence<N>(), [&](size_t k) { return cache.Row(tap.at[k]); });
    const std::array<float, N> weight = tap.weight;
    for (size_t i = 0; i < blended.size(); ++i) blended[i] = Sum(rows, weight, i);
    write(y, blended.data());
  }
}

template <typename Write>
void ResampleBy(Preprocess::Interpolation interpolation, const Tensor& image, const Cut& cut,
                const Write& write) {
  if (interpolation == Preprocess::BICUBIC) return Resample<4>(image, cut, write);
  Resample<2>(image, cut, write);
}

// Takes rows, interleaved RGB, to the planes of the input.
class PlaneWriter {
 public:
  PlaneWriter(const Preprocess& preprocess, const Cut& cut, float* out)
      : width_(cut.x.count),
        plane_(cut.x.count * cut.y.count),
        gray_(preprocess.order() == Preprocess::GRAY),
        out_(out) {
    factor_.fill(preprocess.scale());
    for (int c = 0; c < preprocess.mean_size(); ++c)
      mean_[static_cast<size_t>(c)] = preprocess.mean(c);
    for (int c = 0; c < preprocess.std_size(); ++c)
      factor_[static_cast<size_t>(c)] /= preprocess.std(c);
    if (preprocess.order() == Preprocess::BGR) source_ = {2, 1, 0};
  }

  void operator()(int64_t y, const float* rgb) const {
    float* const row = out_ + y * width_;
    if (gray_) {
      for (int64_t x = 0; x < width_; ++x, rgb += 3) {
        row[x] = (0.1140f * rgb[2] + 0.5870f * rgb[1] + 0.2990f * rgb[0] - mean_[0]) * factor_[0];
      }
      return;
    }
    for (size_t c = 0; c < 3; ++c) {
      float* const plane = row + static_cast<int64_t>(c) * plane_;
      const float* from = rgb + source_[c];
      const float mean = mean_[c], factor = factor_[c];
      for (int64_t x = 0; x < width_; ++x, from += 3) plane[x] = (*from - mean) * factor;
    }
  }

 private:
  int64_t width_, plane_;
  bool gray_;
  float* out_;
  std::array<float, 3> mean_{};
  // scale / std.
  std::array<float, 3> factor_{};
  std::array<int, 3> source_ = {0, 1, 2};
};

// The picture's sides when the shorter one, in terms of the wanted ones, becomes the wanted side
// and the other keeps the aspect ratio, rounded down as TAO does. Whole numbers throughout, so that
// the first is what was asked for.
ImageSize ScaledToCover(ImageSize picture, ImageSize wanted) {
  if (wanted.width * picture.height >= wanted.height * picture.width) {
    return {.width = wanted.width, .height = picture.height * wanted.width / picture.width};
  }
  return {.width = picture.width * wanted.height / picture.height, .height = wanted.height};
}

}  // namespace

AxisCut CutOfScaled(int64_t pixels, int64_t scaled, int64_t offset, int64_t count) {
  const double step = static_cast<double>(pixels) / static_cast<double>(scaled);
  return {static_cast<double>(offset) * step, static_cast<double>(count) * step, count};
}

Cut CutOf(const Preprocess& preprocess, ImageSize picture) {
  const int64_t width = preprocess.width(), height = preprocess.height();
  if (preprocess.resize() != Preprocess::CENTER_CROP) {
    return {{0, static_cast<double>(picture.width), width},
            {0, static_cast<double>(picture.height), height}};
  }
  const int64_t margin = preprocess.crop_margin();
  const ImageSize scaled =
      ScaledToCover(picture, {.width = width + margin, .height = height + margin});
  const auto middle = [](int64_t pixels, int64_t all, int64_t count) {
    return CutOfScaled(pixels, all, (all - count) / 2, count);
  };
  return {middle(picture.width, scaled.width, width),
          middle(picture.height, scaled.height, height)};
}

absl::Status CheckPicture(const Tensor& image) {
  if (image.dtype() == DType::kUInt8 && image.rank() == 3 && image.dim(2) == 3 &&
      image.size() > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("the image is %s %s; expected u8 [height, width, 3]", NameOf(image.dtype()),
                      ShapeText(image.shape())));
}

absl::Status FillInput(const Tensor& image, const Cut& cut, const Preprocess& preprocess,
                       absl::Span<float> out) {
  const int64_t channels = ChannelsOf(preprocess);
  if (static_cast<int64_t>(out.size()) != channels * cut.x.count * cut.y.count) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the input has room for %d values; expected %d x %d x %d", out.size(),
                        channels, cut.y.count, cut.x.count));
  }
  ResampleBy(preprocess.interpolation(), image, cut, PlaneWriter(preprocess, cut, out.data()));
  return absl::OkStatus();
}

absl::StatusOr<Tensor> SamplePicture(const Tensor& image, const Cut& cut,
                                     Preprocess::Interpolation interpolation) {
  TY_ASSIGN_OR_RETURN(Tensor picture, Tensor::Create(DType::kUInt8, {cut.y.count, cut.x.count, 3}));
  uint8_t* const pixels = picture.data<uint8_t>().data();
  const int64_t values = cut.x.count * 3;
  ResampleBy(interpolation, image, cut, [pixels, values](int64_t y, const float* row) {
    uint8_t* const out = pixels + y * values;
    for (int64_t i = 0; i < values; ++i) {
      out[i] = static_cast<uint8_t>(std::nearbyint(std::clamp(row[i], 0.0f, 255.0f)));
    }
  });
  return picture;
}

}  // namespace trainyard::data::internal
