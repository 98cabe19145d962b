#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// Images beyond these are refused before anything is allocated for them.
inline constexpr int64_t kMaxImageSide = 65500;
inline constexpr int64_t kMaxImagePixels = 100'000'000;
/// Largest image file that is read.
inline constexpr int64_t kMaxImageFileBytes = int64_t{512} << 20;

struct ImageSize {
  int64_t width = 0, height = 0;
  bool operator==(const ImageSize&) const = default;
};

/// What is to be told of a picture beside its size and pixels.
struct ImageFacts {
  /// EXIF's orientation of what is stored, 1 to 8; not 1: the picture was turned or mirrored.
  int orientation = 1;
  /// A JPEG that has all its pixels, but not the marker of its end.
  bool lacks_end = false;
  /// Of a moving PNG (APNG): more than 1; its first picture is taken.
  int64_t frames = 1;
};

/// Decodes a JPEG (grey, colour or CMYK; baseline or progressive) or a PNG (any depth, palette,
/// alpha, interlaced), told apart by their first bytes, to u8 RGB [height, width, 3]. Alpha is
/// dropped, 16 bits are scaled to 8. The picture comes upright, as EXIF's orientation says (JPEG,
/// PNG's eXIf): so people saw it who drew its boxes. This is the one reader of all stages.
///
/// Fails with kDataLoss, `name` (unless it is empty) in front, for an empty file, other formats
/// (named when they are known, whatever the file is called), JPEGs of 12 bits, damage, and a file
/// that lacks pixels; kResourceExhausted beyond the limits above. `facts`, when given, is filled.
/// Thread-safe.
absl::StatusOr<Tensor> DecodeImage(absl::string_view bytes, absl::string_view name,
                                   ImageFacts* facts = nullptr);

/// The picture made small, to be looked at as a whole: upright u8 RGB. A JPEG is decoded at an eighth, a
/// quarter or half of its size, the smallest whose sides are at least `least_side`, in a fraction of the
/// time; a PNG comes whole. Fails as DecodeImage. Threads wait for each other as in VerifyImage.
absl::StatusOr<Tensor> DecodeReduced(absl::string_view bytes, absl::string_view name,
                                     int64_t least_side, ImageFacts* facts = nullptr);

/// The size of the upright picture. Reads only the header. Fails as DecodeImage does, but does not
/// see later damage, nor a missing end.
absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes, absl::string_view name,
                                        ImageFacts* facts = nullptr);

/// OK when DecodeImage would succeed; the size of the upright picture. Walks the whole file but
/// keeps no picture: a JPEG is decoded at an eighth of its size, a PNG row by row. Threads wait for
/// each other where their pictures together are too large (internal/pixel_budget.h). Thread-safe.
absl::StatusOr<ImageSize> VerifyImage(absl::string_view bytes, absl::string_view name,
                                      ImageFacts* facts = nullptr);

/// Encodes u8 [h, w, 3] as RGB, [h, w, 1] as grey. `quality` 1..100. kInvalidArgument for another
/// tensor. Deterministic.
absl::StatusOr<std::string> EncodeJpeg(const Tensor& image, int quality = 92);
absl::StatusOr<std::string> EncodePng(const Tensor& image);

/// Whether the name ends in .jpg, .jpeg or .png, in any case.
bool HasImageExtension(absl::string_view path);

}  // namespace trainyard::data
