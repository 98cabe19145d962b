#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/data/box.h"
#include "libs/data/box_truth.h"
#include "libs/data/image_io.h"
#include "libs/data/sample.h"
#include "libs/tensor/tensor.h"

namespace trainyard::testing {

using Rgb = std::array<uint8_t, 3>;

/// A picture of one colour, u8 RGB [height, width, 3].
inline Tensor PlainPicture(int64_t width, int64_t height, Rgb colour) {
  Tensor picture = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  auto pixels = picture.data<uint8_t>();
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = colour[i % 3];
  return picture;
}

/// Fills the pixels of [x1, x2) x [y1, y2).
inline void PaintBox(Tensor& picture, const data::Box& box, Rgb colour) {
  const int64_t width = picture.dim(1);
  auto pixels = picture.data<uint8_t>();
  for (auto y = static_cast<int64_t>(box.y1); y < static_cast<int64_t>(box.y2); ++y) {
    for (auto x = static_cast<int64_t>(box.x1); x < static_cast<int64_t>(box.x2); ++x) {
      for (size_t c = 0; c < 3; ++c)
        pixels[static_cast<size_t>((y * width + x) * 3) + c] = colour[c];
    }
  }
}

inline Rgb PixelAt(const Tensor& picture, int64_t x, int64_t y) {
  const auto pixels = picture.data<uint8_t>();
  const auto i = static_cast<size_t>((y * picture.dim(1) + x) * 3);
  return {pixels[i], pixels[i + 1], pixels[i + 2]};
}

/// The smallest box around the pixels that are at least half as near to `colour` as black is to
/// white.
inline data::Box BoxAround(const Tensor& picture, Rgb colour, int tolerance = 100) {
  data::Box box{1e9f, 1e9f, -1, -1};
  for (int64_t y = 0; y < picture.dim(0); ++y) {
    for (int64_t x = 0; x < picture.dim(1); ++x) {
      const Rgb seen = PixelAt(picture, x, y);
      int distance = 0;
      for (size_t c = 0; c < 3; ++c) distance = std::max(distance, std::abs(seen[c] - colour[c]));
      if (distance > tolerance) continue;
      box = {std::min(box.x1, static_cast<float>(x)), std::min(box.y1, static_cast<float>(y)),
             std::max(box.x2, static_cast<float>(x + 1)),
             std::max(box.y2, static_cast<float>(y + 1))};
    }
  }
  return box;
}

/// A line of a KITTI label file.
inline std::string KittiLine(const std::string& type, const data::Box& box, int occluded = 0) {
  return absl::StrCat(type, " 0.00 ", occluded, " 0.00 ", box.x1, " ", box.y1, " ", box.x2, " ",
                      box.y2, " 0 0 0 0 0 0 0\n");
}

/// Writes `<root>/images/<frame>.png` and `<root>/labels/<frame>.txt`.
inline void WriteKittiFrame(const std::string& root, const std::string& frame,
                            const Tensor& picture, const std::string& labels) {
  MakeFolders(root + "/images").IgnoreError();
  MakeFolders(root + "/labels").IgnoreError();
  WriteFileAtomically(absl::StrCat(root, "/images/", frame, ".png"),
                      data::EncodePng(picture).value())
      .IgnoreError();
  WriteFileAtomically(absl::StrCat(root, "/labels/", frame, ".txt"), labels).IgnoreError();
}

/// The boxes of a sample; none when it cannot be read.
inline std::vector<data::LabelledBox> BoxesAt(const data::SampleSource& source, int64_t index) {
  const auto sample = source.Get(index);
  return sample.ok() ? data::BoxesOf(sample->truth.get()) : std::vector<data::LabelledBox>();
}

/// Samples in memory; one may fail on purpose.
class FakeSource : public data::SampleSource {
 public:
  explicit FakeSource(std::vector<data::Sample> samples, int64_t broken = -1)
      : samples_(std::move(samples)), broken_(broken) {}

  int64_t size() const override { return static_cast<int64_t>(samples_.size()); }
  std::string Id(int64_t index) const override { return samples_[static_cast<size_t>(index)].id; }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    if (index == broken_) return absl::DataLossError("the picture is damaged");
    return samples_[static_cast<size_t>(index)];
  }

 private:
  std::vector<data::Sample> samples_;
  int64_t broken_;
};

/// `n` plain pictures of 40 x 30, sample i of the colour (i, 2i, 3i), with a box each.
inline std::vector<data::Sample> PlainSamples(int n) {
  std::vector<data::Sample> samples;
  for (int i = 0; i < n; ++i) {
    const Rgb colour = {static_cast<uint8_t>(i), static_cast<uint8_t>(2 * i),
                        static_cast<uint8_t>(3 * i)};
    samples.push_back({.id = absl::StrCat("images/", i),
                       .image = PlainPicture(40, 30, colour),
                       .truth = data::TruthOf({{.box = {4, 5, 20, 25}, .class_id = 1 + i % 3}})});
  }
  return samples;
}

}  // namespace trainyard::testing
