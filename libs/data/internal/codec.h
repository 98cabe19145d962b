#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/image_io.h"

namespace trainyard::data::internal {

/// How much of an image a codec works through.
enum class Depth { kHeader, kVerify, kDecode };

/// Reads a JPEG or PNG. `kDecode` fills `image`, u8 RGB [h, w, 3]; the others leave it alone.
/// Errors have no name in front yet. The picture is as it is stored, not turned upright.
/// `lacks_end`: see ImageFacts; a header is read without looking at the end. `least_side`: see
/// DecodeReduced; 0 is the whole size. The size that is returned is the stored one.
absl::StatusOr<ImageSize> ReadJpeg(absl::string_view bytes, Depth depth, Tensor* image,
                                   bool* lacks_end, int64_t least_side = 0);
absl::StatusOr<ImageSize> ReadPng(absl::string_view bytes, Depth depth, Tensor* image);

/// kDataLoss or kResourceExhausted when a size is not within the limits of image_io.h.
absl::Status CheckImageSize(int64_t width, int64_t height);

/// `pixels` has height * width * channels bytes: RGB for 3 channels, grey for 1.
absl::StatusOr<std::string> WriteJpeg(const uint8_t* pixels, ImageSize size, int channels,
                                      int quality);
absl::StatusOr<std::string> WritePng(const uint8_t* pixels, ImageSize size, int channels);

}  // namespace trainyard::data::internal
