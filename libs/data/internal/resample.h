#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/image_io.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

// The pixels of a picture between its pixels: what preprocessing and augmentation have in common.
namespace trainyard::data::internal {

/// One axis of a cut: `count` pixels are made from the `length` pixels of the picture from `begin`
/// on, which need not be whole. The centre of pixel i lies at begin + (i + 0.5) * length / count,
/// where the centre of the picture's first pixel is 0.5. What lies around the cut is interpolated
/// with; the border repeats only where the picture ends.
struct AxisCut {
  double begin = 0;
  double length = 0;
  int64_t count = 0;
};

/// The axis of `pixels`, scaled to `scaled` pixels, of which `count` are taken from `offset` on.
AxisCut CutOfScaled(int64_t pixels, int64_t scaled, int64_t offset, int64_t count);

/// The part of a picture that a network sees, and at what size.
struct Cut {
  AxisCut x, y;
  /// Left and right are exchanged.
  bool mirrored = false;
};

/// What `preprocess` shows of a picture of this size: all of it, or the middle
/// (Preprocess::resize). The settings are valid (CheckPreprocess).
Cut CutOf(const model::v1::Preprocess& preprocess, ImageSize picture);

/// kInvalidArgument unless `image` is u8 [height, width, 3] with a pixel.
absl::Status CheckPicture(const Tensor& image);

/// Samples the cut of a picture straight into the planes of the network's input: colours, order and
/// interpolation are those of `preprocess`, its size and resize play no part. Picture and settings
/// are valid. Memory grows with the cut's width alone. kInvalidArgument when `out` has other than
/// channels * cut.y.count * cut.x.count elements.
absl::Status FillInput(const Tensor& image, const Cut& cut, const model::v1::Preprocess& preprocess,
                       absl::Span<float> out);

/// The cut as a picture, u8 RGB [cut.y.count, cut.x.count, 3]; values round half to even.
absl::StatusOr<Tensor> SamplePicture(const Tensor& image, const Cut& cut,
                                     model::v1::Preprocess::Interpolation interpolation);

}  // namespace trainyard::data::internal
