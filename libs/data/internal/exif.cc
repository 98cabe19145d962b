#include "libs/data/internal/exif.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status.h"

namespace trainyard::data::internal {
namespace {

constexpr int kUpright = 1;
constexpr uint32_t kOrientationTag = 0x0112, kShort = 3, kLong = 4;
constexpr absl::string_view kExifMark("Exif\0\0", 6);
// Of EXIF as the text of a PNG. In a JPEG it has less than 64 KiB.
constexpr size_t kMaxProfile = size_t{1} << 20;

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

// The orientation that a TIFF structure states in its first directory; 0 when it states none.
int TiffOrientation(absl::string_view tiff) {
  const bool big_endian = absl::StartsWith(tiff, absl::string_view("MM\0*", 4));
  if (!big_endian && !absl::StartsWith(tiff, absl::string_view("II*\0", 4))) return 0;
  const size_t directory = Number(tiff, 4, 4, big_endian);
  const uint32_t entries = Number(tiff, directory, 2, big_endian);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{i} * 12;
    if (entry + 12 > tiff.size()) return 0;
    if (Number(tiff, entry, 2, big_endian) != kOrientationTag) continue;
    // EXIF wants a short; some write it as a long.
    const uint32_t type = Number(tiff, entry + 2, 2, big_endian);
    if (type != kShort && type != kLong) return 0;
    const uint32_t value = Number(tiff, entry + 8, type == kLong ? 4 : 2, big_endian);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
  }
  return 0;
}

// The same for a TIFF structure behind the mark that it has in a JPEG, or, in a PNG, should not
// have.
int ExifOrientation(absl::string_view exif) {
  absl::ConsumePrefix(&exif, kExifMark);
  return TiffOrientation(exif);
}

std::string Inflated(absl::string_view packed) {
  std::string out(kMaxProfile, '\0');
  uLongf size = out.size();
  const int status = uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                                reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  out.resize(status == Z_OK ? size : 0);
  return out;
}

// ImageMagick's form of EXIF in the text of a PNG: "\nexif\n", the length, and the bytes in
// hexadecimal digits with breaks of lines between them. Nothing for other texts.
std::optional<int> ProfileOrientation(absl::string_view chunk, bool packed) {
  constexpr absl::string_view kExif("Raw profile type exif\0", 22);
  constexpr absl::string_view kApp1("Raw profile type APP1\0", 22);
  if (!absl::ConsumePrefix(&chunk, kExif) && !absl::ConsumePrefix(&chunk, kApp1)) {
    return std::nullopt;
  }
  // Behind the name stands the method of packing.
  const std::string text = packed ? Inflated(chunk.substr(std::min<size_t>(1, chunk.size())))
                                  : std::string(chunk.substr(0, kMaxProfile));
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  std::string digits;
  for (size_t i = 2; i < words.size(); ++i) absl::StrAppend(&digits, words[i]);
  const bool hexadecimal = std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit);
  return hexadecimal && digits.size() % 2 == 0 ? ExifOrientation(absl::HexStringToBytes(digits))
                                               : 0;
}

}  // namespace

void ReadJpegFacts(absl::string_view bytes, ImageFacts& facts) {
  int orientation = 0;
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
    if (orientation == 0 && marker == 0xE1 && absl::StartsWith(content, kExifMark)) {
      orientation = ExifOrientation(content);
    }
    at += 2 + length;
  }
  facts.orientation = orientation == 0 ? kUpright : orientation;
}

void ReadPngFacts(absl::string_view bytes, ImageFacts& facts) {
  int orientation = 0;
  std::optional<int> of_text;  // Of the first such text alone: each may unpack to a lot.
  size_t at = 8;  // Behind the signature.
  while (at + 12 <= bytes.size()) {
    const size_t length = Number(bytes, at, 4, true);
    const absl::string_view type = bytes.substr(at + 4, 4), content = bytes.substr(at + 8, length);
    if (type == "IEND") break;
    if (type == "acTL") facts.frames = Number(content, 0, 4, true);
    if (type == "eXIf" && orientation == 0) orientation = ExifOrientation(content);
    if ((type == "tEXt" || type == "zTXt") && !of_text) {
      of_text = ProfileOrientation(content, type == "zTXt");
    }
    at += 12 + length;
  }
  if (orientation == 0) orientation = of_text.value_or(0);
  facts.orientation = orientation == 0 ? kUpright : orientation;
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

}  // namespace trainyard::data::internal
