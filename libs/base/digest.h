#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Incremental SHA-256 (OpenSSL). Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void Update(absl::string_view bytes);
  /// Lower-case hex, 64 letters. Call once.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Lower-case hex SHA-256 of `bytes`.
std::string Sha256Hex(absl::string_view bytes);

/// Digest of a regular file's content, read in pieces. Cached per process by (device, inode, size, mtime,
/// ctime); a change within 20 ms before it was read is no reason to trust the times. kCancelled soon after
/// `stop` is requested.
absl::StatusOr<std::string> FileDigest(const std::string& path, const std::stop_token& stop = {});

/// Digest of a file; of a folder: the hash over its sorted (relative path, size, digest) rows; of a
/// prefix of file names: the hash over the rows of its files. These are, where a set of TFRecord shards
/// has the prefix for its name (some `<prefix>-fold-...` is there): those shards,
/// `<prefix>_manifest.json`, `<prefix>_ledger.jsonl` and `<prefix>_warning.json`, so that a set
/// `train_small` beside `train` is another one; else all files whose names begin with it. Names that begin with ".tmp-" are work in progress and left out.
/// kNotFound when the path means none of these; kCancelled soon after `stop` is requested.
absl::StatusOr<std::string> PathDigest(const std::string& path, const std::stop_token& stop = {});
/// The bytes of all files that PathDigest looks at.
absl::StatusOr<int64_t> PathSize(const std::string& path);

/// CRC-32C (Castagnoli) of `bytes`, and TFRecord's masked form of it.
uint32_t Crc32c(absl::string_view bytes);
uint32_t MaskedCrc32c(absl::string_view bytes);

}  // namespace trainyard
