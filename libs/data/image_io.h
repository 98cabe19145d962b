#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// Images beyond these are refused before anything is allocated for them.
inline constexpr int64_t kMaxImageSide = 65500;
inline constexpr int64_t kMaxImagePixels = 100'000'000;
/// Largest image file that is read.
inline constexpr int64_t kMaxImageFileBytes = int64_t{512} << 20;

struct ImageSize {
  int64_t width = 0, height = 0;
  bool operator==(const ImageSize&) const = default;
};

/// Decodes a JPEG (grey, colour or CMYK; baseline or progressive) or a PNG (any depth, palette,
/// alpha, interlaced), told apart by their first bytes, to u8 RGB [height, width, 3]. Alpha is
/// dropped, 16 bits are scaled to 8, EXIF rotation is not applied (TAO applies none).
///
/// Fails with kDataLoss, `name` in front, for an empty file, other formats, damage, and a file that
/// ends early; kResourceExhausted beyond the limits above. Thread-safe.
absl::StatusOr<Tensor> DecodeImage(absl::string_view bytes, absl::string_view name);

/// Reads only the header. Fails as DecodeImage does, but does not see later damage.
absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes, absl::string_view name);

/// OK when DecodeImage would succeed; the size. Walks the whole file but keeps no picture: a JPEG
/// is decoded at an eighth of its size, a PNG row by row. Threads wait for each other where their
/// pictures together are too large (internal/pixel_budget.h). Thread-safe.
absl::StatusOr<ImageSize> VerifyImage(absl::string_view bytes, absl::string_view name);

/// Encodes u8 [h, w, 3] as RGB, [h, w, 1] as grey. `quality` 1..100. kInvalidArgument for another
/// tensor. Deterministic.
absl::StatusOr<std::string> EncodeJpeg(const Tensor& image, int quality = 92);
absl::StatusOr<std::string> EncodePng(const Tensor& image);

/// Whether the name ends in .jpg, .jpeg or .png, in any case.
bool HasImageExtension(absl::string_view path);

}  // namespace trainyard
