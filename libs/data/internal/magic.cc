#include "libs/data/internal/magic.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace trainyard::data::internal {
namespace {

using std::string_view_literals::operator""sv;

struct Magic {
  size_t at;
  std::string_view bytes;
  const char* kind;
};

constexpr Magic kMagics[] = {
    {8, "WEBP"sv, "a WebP picture"},
    {0, "GIF8"sv, "a GIF picture"},
    {0, "BM"sv, "a BMP picture"},
    {0, "II*\0"sv, "a TIFF picture (or a camera's raw file)"},
    {0, "MM\0*"sv, "a TIFF picture (or a camera's raw file)"},
    {0, "II+\0"sv, "a BigTIFF picture"},
    {4, "ftypavif"sv, "an AVIF picture"},
    {4, "ftypavis"sv, "an AVIF picture"},
    {4, "ftypheic"sv, "a HEIC picture (as phones of Apple store)"},
    {4, "ftypheix"sv, "a HEIC picture (as phones of Apple store)"},
    {4, "ftypmif1"sv, "a HEIF picture"},
    {4, "ftypmsf1"sv, "a HEIF picture"},
    {4, "ftyp"sv, "a video (MP4 or its like)"},
    {4, "jP  \r\n\x87\n"sv, "a JPEG 2000 picture"},
    {0, "\xFF\x4F\xFF\x51"sv, "a JPEG 2000 picture"},
    {4, "JXL \r\n\x87\n"sv, "a JPEG XL picture"},
    {0, "\xFF\x0A"sv, "a JPEG XL picture"},
    {0, "8BPS"sv, "a Photoshop file"},
    {0, "%PDF"sv, "a PDF file"},
    {0, "\0\0\x01\0"sv, "an icon"},
    {0, "v/1\x01"sv, "an OpenEXR picture"},
    {0, "\0\x05\x16\x07"sv, "an AppleDouble file (what a Mac keeps beside a file)"},
    {0, "\0\x05\x16\0"sv, "an AppleSingle file"},
    {0, "PK\x03\x04"sv, "a zip archive"},
    {0, "\x1F\x8B"sv, "a gzip archive"},
    {0, "\x89HDF"sv, "an HDF5 file"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "version https://git-lfs"sv,
     "a pointer of Git LFS (fetch the file itself with git lfs pull)"},
};

bool IsText(absl::string_view head) {
  return std::none_of(head.begin(), head.end(), [](unsigned char c) {
    return c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f';
  });
}

}  // namespace

std::string GuessFileKind(absl::string_view bytes) {
  for (const Magic& magic : kMagics) {
    const absl::string_view wanted(magic.bytes.data(), magic.bytes.size());
    if (bytes.size() >= magic.at && absl::StartsWith(bytes.substr(magic.at), wanted)) {
      return magic.kind;
    }
  }
  const absl::string_view head = bytes.substr(0, 512);
  if (head.size() >= 3 && head[0] == 'P' && head[1] >= '1' && head[1] <= '7' &&
      (head[2] == '\n' || head[2] == ' ')) {
    return "a picture of the PNM family";
  }
  if (head.find_first_not_of('\0') == absl::string_view::npos) {
    return "a file that begins with zero bytes (a disk that was full leaves such)";
  }
  if (!IsText(head)) return "";
  const std::string lower = absl::AsciiStrToLower(head);
  if (absl::StrContains(lower, "<svg")) return "an SVG drawing";
  if (absl::StrContains(lower, "<html") || absl::StrContains(lower, "<!doctype html")) {
    return "an HTML page (as a failed download leaves)";
  }
  return "a text file";
}

}  // namespace trainyard::data::internal
