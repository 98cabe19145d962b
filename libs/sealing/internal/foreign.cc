#include "libs/sealing/internal/foreign.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/sealing/internal/bytes.h"

namespace trainyard::sealing {
namespace {

constexpr absl::string_view kClosed =
    "NVIDIA's encryption is closed, so only NVIDIA's tools open it: train a model here with the same "
    "spec and data";

// An .etlt of TAO begins with the length of the input's name as i32 and the name; 0 means ONNX
// inside.
std::string DescribeEtlt(absl::string_view bytes) {
  const uint32_t length = ByteReader(bytes).U32();
  if (bytes.size() <= 4 || length > 255 || bytes.size() < 4 + length) return "";
  if (length == 0) return "ONNX inside";
  const absl::string_view name = bytes.substr(4, length);
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isgraph(c); });
  return printable ? absl::StrCat("UFF inside, input '", name, "'") : "";
}

// Text, and formats with structure in their first bytes, hold zeros or letters in rows; what is
// encrypted looks random: many different values in the first 256 bytes.
bool LooksEncrypted(absl::string_view bytes) {
  if (bytes.size() < 64) return false;
  bool seen[256] = {};
  size_t different = 0;
  for (const char c : bytes.substr(0, 256)) {
    bool& value = seen[static_cast<uint8_t>(c)];
    different += !value;
    value = true;
  }
  // 256 random bytes hold about 162 different values; 64 about 57.
  return different * 2 > std::min<size_t>(bytes.size(), 256);
}

std::string Describe(const std::string& path, absl::string_view bytes) {
  const std::string extension = absl::AsciiStrToLower(Extension(path));
  if (absl::StartsWith(bytes, "\x89HDF\r\n\x1a\n")) {
    return "is a Keras HDF5 file (TAO's .hdf5); its weights cannot be read here: train a model "
           "here with the same spec and data";
  }
  if (absl::StartsWith(bytes, "PK\x03\x04")) {
    return "is a zip archive (PyTorch and Keras save such); expected a .tlt or .etlt of Trainyard";
  }
  if (const std::string inside = DescribeEtlt(bytes); !inside.empty()) {
    return absl::StrCat("has the shape of an .etlt of NVIDIA TAO (", inside, "). ", kClosed);
  }
  if (LooksEncrypted(bytes) && (extension == ".tlt" || extension == ".etlt")) {
    return absl::StrCat("has the shape of a ", extension, " of NVIDIA TAO. ", kClosed);
  }
  if (extension == ".onnx" || (bytes.size() > 2 && bytes[0] == 0x08 && bytes[1] <= 16 &&
                               (bytes[2] == 0x12 || bytes[2] == 0x3a))) {
    return "is a plain ONNX file. Networks of others are not taken in yet (docs/roadmap.md); what "
           "works today is the way out: train makes a .tlt, and export -m MODEL.tlt -o MODEL.etlt "
           "--onnx MODEL.onnx writes plain ONNX for other runtimes";
  }
  return absl::StrCat("is no file of Trainyard: it begins with ",
                      absl::BytesToHexString(bytes.substr(0, 8)),
                      "; expected 5452594152441a0a (TRYARD)");
}

}  // namespace

absl::Status DescribeForeign(const std::string& path, absl::string_view first_bytes,
                             int64_t file_size) {
  if (file_size == 0) {
    return absl::DataLossError(absl::StrCat("'", path, "': is empty (0 bytes)"));
  }
  return absl::InvalidArgumentError(absl::StrCat("'", path, "': ", Describe(path, first_bytes)));
}

}  // namespace trainyard::sealing
