#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::data {

/// Channels of the network input: 1 for GRAY, else 3.
int64_t ChannelsOf(const model::v1::Preprocess& preprocess);

/// All that is wrong with a record's preprocessing: kInvalidArgument naming each field.
absl::Status CheckPreprocess(const model::v1::Preprocess& preprocess);

/// Turns an image into the network's input, the one way for all paths, as the message says: resize
/// in float to width x height, of the whole image or of its middle, channel order, (x - mean) *
/// scale / std, planar. GRAY is (0.1140 B + 0.5870 G + 0.2990 R - mean) * scale / std.
///
/// Bilinear is OpenCV's INTER_LINEAR, bicubic its INTER_CUBIC, both on floats (centres of pixels
/// are at halves, the border repeats, nothing is smoothed where pictures become smaller). Of a
/// centre crop only what is seen is sampled, and pixels around it that are interpolated with.
///
/// `image` is u8 RGB [h, w, 3]; `out` has C * H * W elements and is filled. The size may be that of
/// the input already; then a stretch interpolates nothing. No memory grows with the image. Pure;
/// any thread. kInvalidArgument for another tensor, a wrong `out`, or what CheckPreprocess refuses.
absl::Status PreprocessImage(const Tensor& image, const model::v1::Preprocess& preprocess,
                             absl::Span<float> out);

/// The picture of a network's input f32 [C, H, W], u8 RGB [H, W, 3], for people to look at: mean,
/// scale and std undone, rounded, held in 0 to 255; grey has three equal channels. The settings are
/// valid and have the input's channels.
Tensor PictureOf(const Tensor& input, const model::v1::Preprocess& preprocess);

/// Labels of an image in pixels of the network input, as TAO's validation has them, for STRETCH:
/// scaled, rounded half to even, clipped to [0, W - 1] x [0, H - 1]; those not wider and higher
/// than 1e-3 are dropped. `difficult` is kept. Source: TAO's loader of detection data.
std::vector<LabelledBox> BoxesToInput(absl::Span<const LabelledBox> boxes, ImageSize image,
                                      const model::v1::Preprocess& preprocess);

/// Clips to [0, W - 1] x [0, H - 1] and drops what is not wider and higher than 1e-3.
void ClipBoxes(std::vector<LabelledBox>& boxes, int64_t width, int64_t height);

}  // namespace trainyard::data
