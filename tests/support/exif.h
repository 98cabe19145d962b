#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

namespace trainyard::testing {

inline std::string Bytes(uint32_t value, int count, bool big_endian = true) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const int shift = 8 * (big_endian ? count - 1 - i : i);
    out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}

/// A TIFF structure whose only entries are a maker and the orientation.
inline std::string ExifTiff(int orientation, bool big_endian = true) {
  const auto number = [&](uint32_t value, int count) { return Bytes(value, count, big_endian); };
  return (big_endian ? std::string("MM\0*", 4) : std::string("II*\0", 4)) + number(8, 4) +
         number(2, 2) + number(0x010F, 2) + number(2, 2) + number(2, 4) +
         std::string("x\0\0\0", 4) + number(0x0112, 2) + number(3, 2) + number(1, 4) +
         number(orientation, 2) + number(0, 2) + number(0, 4);
}

/// A JPEG with an EXIF segment behind its first one.
inline std::string WithExif(const std::string& jpeg, const std::string& tiff) {
  const std::string content = std::string("Exif\0\0", 6) + tiff;
  const size_t at =
      4 + static_cast<unsigned char>(jpeg[4]) * 256u + static_cast<unsigned char>(jpeg[5]);
  return jpeg.substr(0, at) + "\xFF\xE1" + Bytes(content.size() + 2, 2) + content + jpeg.substr(at);
}

/// A PNG with an eXIf chunk behind its header, or before its end.
inline std::string WithChunk(const std::string& png, const std::string& tiff, bool at_end = false) {
  const std::string typed = "eXIf" + tiff;
  const auto crc = crc32(0, reinterpret_cast<const unsigned char*>(typed.data()), typed.size());
  const size_t at = at_end ? png.size() - 12 : 33;
  return png.substr(0, at) + Bytes(tiff.size(), 4) + typed + Bytes(static_cast<uint32_t>(crc), 4) +
         png.substr(at);
}

}  // namespace trainyard::testing
