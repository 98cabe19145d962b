#include "libs/data/internal/exif.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/status.h"

namespace trainyard::internal {
namespace {

constexpr int kUpright = 1;
constexpr uint32_t kOrientationTag = 0x0112, kShort = 3;

// An unsigned number of `count` bytes at `at`; 0 beyond the end.
uint32_t Number(absl::string_view bytes, size_t at, size_t count, bool big_endian) {
  if (at > bytes.size() || bytes.size() - at < count) return 0;
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = big_endian ? at + i : at + count - 1 - i;
    value = value << 8 | static_cast<unsigned char>(bytes[place]);
  }
  return value;
}

// The orientation that a TIFF structure states in its first directory.
int TiffOrientation(absl::string_view tiff) {
  const bool big_endian = absl::StartsWith(tiff, absl::string_view("MM\0*", 4));
  if (!big_endian && !absl::StartsWith(tiff, absl::string_view("II*\0", 4))) return kUpright;
  const size_t directory = Number(tiff, 4, 4, big_endian);
  const uint32_t entries = Number(tiff, directory, 2, big_endian);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{i} * 12;
    if (entry + 12 > tiff.size()) return kUpright;
    if (Number(tiff, entry, 2, big_endian) != kOrientationTag) continue;
    const uint32_t value = Number(tiff, entry + 8, 2, big_endian);
    const bool known = Number(tiff, entry + 2, 2, big_endian) == kShort && value >= 1 && value <= 8;
    return known ? static_cast<int>(value) : kUpright;
  }
  return kUpright;
}

}  // namespace

int JpegOrientation(absl::string_view bytes) {
  size_t at = 2;  // Behind the start marker.
  while (at + 4 <= bytes.size() && bytes[at] == '\xFF') {
    const auto marker = static_cast<unsigned char>(bytes[at + 1]);
    if (marker == 0xFF) {  // Padding.
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;  // The picture's data, the end.
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
      at += 2;  // These have no length.
      continue;
    }
    const size_t length = Number(bytes, at + 2, 2, true);
    if (length < 2) break;
    const absl::string_view content = bytes.substr(at + 4, length - 2);
    constexpr absl::string_view kExif("Exif\0\0", 6);
    if (marker == 0xE1 && absl::StartsWith(content, kExif)) {
      return TiffOrientation(content.substr(kExif.size()));
    }
    at += 2 + length;
  }
  return kUpright;
}

int PngOrientation(absl::string_view bytes) {
  size_t at = 8;  // Behind the signature.
  while (at + 12 <= bytes.size()) {
    const size_t length = Number(bytes, at, 4, true);
    const absl::string_view type = bytes.substr(at + 4, 4);
    if (type == "eXIf") return TiffOrientation(bytes.substr(at + 8, length));
    if (type == "IEND") break;
    at += 12 + length;
  }
  return kUpright;
}

ImageSize UprightSize(ImageSize stored, int orientation) {
  if (orientation >= 5) std::swap(stored.width, stored.height);
  return stored;
}

absl::StatusOr<Tensor> TurnUpright(Tensor stored, int orientation) {
  if (orientation == kUpright) return stored;
  const int64_t width = stored.dim(1), height = stored.dim(0);
  const ImageSize size = UprightSize({width, height}, orientation);
  TY_ASSIGN_OR_RETURN(Tensor upright, Tensor::Create(DType::kUInt8, {size.height, size.width, 3}));
  // Where a pixel of the upright picture is stored: first + x * step_x + y * step_y, in pixels.
  const bool transposed = orientation >= 5;
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t column = from_right ? -1 : 1, row = from_below ? -width : width;
  const int64_t first = (from_right ? width - 1 : 0) + (from_below ? (height - 1) * width : 0);
  const int64_t step_x = transposed ? row : column, step_y = transposed ? column : row;
  const uint8_t* const from = stored.data<uint8_t>().data();
  uint8_t* to = upright.data<uint8_t>().data();
  for (int64_t y = 0; y < size.height; ++y) {
    const uint8_t* pixel = from + (first + y * step_y) * 3;
    for (int64_t x = 0; x < size.width; ++x, pixel += step_x * 3, to += 3) memcpy(to, pixel, 3);
  }
  return upright;
}

}  // namespace trainyard::internal
