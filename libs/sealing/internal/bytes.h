#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace trainyard::sealing {

template <size_t n>
absl::string_view AsView(const std::array<uint8_t, n>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), n};
}

/// Little-endian numbers, whatever the machine.
class ByteWriter {
 public:
  void U16(uint16_t value) { Number(value, 2); }
  void U32(uint32_t value) { Number(value, 4); }
  void U64(uint64_t value) { Number(value, 8); }
  void Raw(absl::string_view bytes) { bytes_.append(bytes.data(), bytes.size()); }
  void Reserve(size_t size) { bytes_.reserve(size); }
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  void Number(uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
  }
  std::string bytes_;
};

/// Reads what ByteWriter wrote. Beyond the end it gives zeros and `ok()` turns false.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : bytes_(bytes) {}
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  absl::string_view Raw(size_t size) {
    if (size > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const absl::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  template <size_t n>
  void Fill(std::array<uint8_t, n>& target) {
    const absl::string_view taken = Raw(n);
    if (taken.size() == n) std::memcpy(target.data(), taken.data(), n);
  }
  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }

 private:
  uint64_t Number(size_t size) {
    const absl::string_view taken = Raw(size);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.size(); ++i) {
      value |= static_cast<uint64_t>(static_cast<uint8_t>(taken[i])) << (8 * i);
    }
    return value;
  }
  absl::string_view bytes_;
  bool ok_ = true;
};

}  // namespace trainyard::sealing
