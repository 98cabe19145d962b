#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::weights {

/// The entries of a zip archive by what its central directory says: local headers and data
/// descriptors, which writers of streams leave without sizes, are passed over. Zip64 is read.
class ZipArchive {
 public:
  /// Looks at the directory alone. `bytes` must outlive the archive. kDataLoss for an archive that
  /// is cut short or whose directory leaves it; kInvalidArgument for names that are there twice and
  /// for more than 100,000 entries; kUnimplemented for one of several volumes.
  static absl::StatusOr<ZipArchive> Open(absl::string_view bytes);

  struct Entry {
    uint64_t header = 0, packed = 0, size = 0;
    uint32_t crc = 0;
    uint16_t method = 0, flags = 0;
  };
  const std::map<std::string, Entry, std::less<>>& entries() const { return entries_; }

  /// The content of an entry, a part of the archive's bytes. kNotFound; kUnimplemented when it is
  /// compressed or encrypted; kDataLoss when it leaves the archive or its CRC differs.
  absl::StatusOr<absl::string_view> Read(absl::string_view name) const;

 private:
  explicit ZipArchive(absl::string_view bytes) : bytes_(bytes) {}
  absl::Status ReadDirectory();

  absl::string_view bytes_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace trainyard::weights
