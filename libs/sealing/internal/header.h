#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sealing/model_file.h"

namespace trainyard::sealing {

inline constexpr absl::string_view kMagic{"TRYARD\x1a\n", 8};
inline constexpr uint16_t kMajor = 1;
inline constexpr uint16_t kMinor = 0;
inline constexpr int64_t kHeaderSize = 96;
/// Plaintext bytes of every chunk but the last.
inline constexpr uint32_t kChunkSize = 1 << 20;
inline constexpr int64_t kTagSize = 16;

using Bytes16 = std::array<uint8_t, 16>;

/// The clear first bytes of a sealed file; docs/sealing.md has the layout byte by byte.
struct Header {
  uint16_t major = kMajor, minor = kMinor;
  SealedKind kind = SealedKind::kCheckpoint;
  /// Sealed with an empty key: anybody can open it.
  bool keyless = false;
  uint32_t iterations = 0;
  uint32_t chunk_size = kChunkSize;
  Bytes16 kdf_salt{}, file_salt{}, key_check{};
  uint64_t plaintext_size = 0;

  int64_t ChunkCount() const;
  /// Bytes of the whole file that has this header.
  int64_t FileSize() const;
};

/// kHeaderSize bytes; the last four are the CRC-32C of those before.
std::string EncodeHeader(const Header& header);

/// Reads the header of a file of `file_size` bytes from its first bytes (at most kHeaderSize; fewer
/// when the file has fewer). Messages go without the path.
/// * kDataLoss: cut short or damaged, a value outside its range, or a size that the file
///   does not have;
/// * kUnimplemented: a newer major version.
/// `bytes` must begin like the magic (LooksSealed).
absl::StatusOr<Header> DecodeHeader(absl::string_view bytes, int64_t file_size);

/// Whether a file begins with the magic: all of it, all but two bytes, or as much as there is of
/// it.
bool LooksSealed(absl::string_view first_bytes);

}  // namespace trainyard::sealing
