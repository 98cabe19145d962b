// PKWARE's APPNOTE.TXT: 4.3.7 local headers, 4.3.12 directory, 4.3.14 to 4.3.16 its end, 4.5.3
// Zip64's field.

#include "libs/weights/internal/zip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"

namespace trainyard::weights {
namespace {

constexpr absl::string_view kLocal = "PK\x03\x04", kCentral = "PK\x01\x02";
constexpr absl::string_view kEnd = "PK\x05\x06", kEnd64 = "PK\x06\x06", kLocator64 = "PK\x06\x07";
constexpr size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56;
constexpr size_t kLocatorBytes = 20, kMostComment = 65535;
constexpr uint64_t kMostEntries = 100'000;
constexpr uint16_t kZip64Field = 1, kEncrypted = 1;
constexpr uint32_t kElsewhere = 0xFFFFFFFF;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the zip archive is damaged or cut short: ", what));
}

/// `size` bytes at `place`; nothing when the archive ends before.
std::optional<absl::string_view> Part(absl::string_view bytes, uint64_t place, uint64_t size) {
  if (place > bytes.size() || size > bytes.size() - place) return std::nullopt;
  return bytes.substr(place, size);
}

/// The number at `place` of a record that is long enough.
template <typename T>
T At(absl::string_view record, size_t place) {
  T value;
  std::memcpy(&value, record.data() + place, sizeof(value));
  return value;
}

/// Where the directory lies.
struct Directory {
  uint64_t place = 0, entries = 0;
};

absl::StatusOr<size_t> FindEnd(absl::string_view bytes) {
  if (bytes.size() < kEndBytes) return Damaged("it has no directory");
  const size_t last = bytes.size() - kEndBytes;
  const size_t first = last > kMostComment ? last - kMostComment : 0;
  const size_t found = bytes.rfind(kEnd, last);
  if (found == absl::string_view::npos || found < first) return Damaged("it has no directory");
  return found;
}

absl::StatusOr<Directory> FindDirectory(absl::string_view bytes) {
  TY_ASSIGN_OR_RETURN(const size_t end, FindEnd(bytes));
  const absl::string_view record = bytes.substr(end, kEndBytes);
  Directory directory{.place = At<uint32_t>(record, 16), .entries = At<uint16_t>(record, 10)};
  const auto locator =
      end < kLocatorBytes ? std::nullopt : Part(bytes, end - kLocatorBytes, kLocatorBytes);
  if (locator.has_value() && locator->substr(0, 4) == kLocator64) {
    const auto wide = Part(bytes, At<uint64_t>(*locator, 8), kEnd64Bytes);
    if (!wide.has_value() || wide->substr(0, 4) != kEnd64)
      return Damaged("the end of Zip64 is not there");
    directory = {.place = At<uint64_t>(*wide, 48), .entries = At<uint64_t>(*wide, 32)};
    if (At<uint64_t>(*wide, 24) != directory.entries) {
      return absl::UnimplementedError("a zip archive of several volumes is not read");
    }
  } else if (At<uint16_t>(record, 8) != directory.entries) {
    return absl::UnimplementedError("a zip archive of several volumes is not read");
  }
  if (directory.entries > kMostEntries) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the zip archive has %d entries; at most %d are read", directory.entries, kMostEntries));
  }
  return directory;
}

/// Numbers that do not fit 32 bits stand in Zip64's field, those alone, in this order.
absl::Status ReadZip64(absl::string_view extra, ZipArchive::Entry& entry) {
  const std::array<uint64_t*, 3> wanted = {&entry.size, &entry.packed, &entry.header};
  while (extra.size() >= 4) {
    const auto id = At<uint16_t>(extra, 0);
    const auto field = Part(extra, 4, At<uint16_t>(extra, 2));
    if (!field.has_value()) break;
    if (id == kZip64Field) {
      size_t place = 0;
      for (uint64_t* number : wanted) {
        if (*number != kElsewhere) continue;
        if (field->size() < place + 8) return Damaged("a field of Zip64 is too short");
        *number = At<uint64_t>(*field, place);
        place += 8;
      }
      return absl::OkStatus();
    }
    extra.remove_prefix(4 + field->size());
  }
  return absl::OkStatus();
}

uint32_t Crc32Of(absl::string_view bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

absl::StatusOr<ZipArchive> ZipArchive::Open(absl::string_view bytes) {
  ZipArchive archive(bytes);
  TY_RETURN_IF_ERROR(archive.ReadDirectory());
  return archive;
}

absl::Status ZipArchive::ReadDirectory() {
  TY_ASSIGN_OR_RETURN(const Directory directory, FindDirectory(bytes_));
  uint64_t place = directory.place, total_size = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    const auto record = Part(bytes_, place, kCentralBytes);
    if (!record.has_value() || record->substr(0, 4) != kCentral) {
      return Damaged(absl::StrCat("entry ", i, " of its directory is not there"));
    }
    Entry entry{.header = At<uint32_t>(*record, 42),
                .packed = At<uint32_t>(*record, 20),
                .size = At<uint32_t>(*record, 24),
                .crc = At<uint32_t>(*record, 16),
                .method = At<uint16_t>(*record, 10),
                .flags = At<uint16_t>(*record, 8)};
    const uint64_t name_bytes = At<uint16_t>(*record, 28), extra_bytes = At<uint16_t>(*record, 30);
    const auto name = Part(bytes_, place + kCentralBytes, name_bytes);
    const auto extra = Part(bytes_, place + kCentralBytes + name_bytes, extra_bytes);
    if (!name.has_value() || !extra.has_value()) {
      return Damaged(absl::StrCat("entry ", i, " of its directory leaves the file"));
    }
    TY_RETURN_IF_ERROR(ReadZip64(*extra, entry));
    // Entries do not overlap, so that reading them all costs the file's size once.
    total_size += std::min<uint64_t>(entry.size, bytes_.size());
    if (total_size > bytes_.size()) {
      return Damaged("its entries hold more than the file");
    }
    if (!entries_.emplace(std::string(*name), entry).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the zip archive has '", Shown(*name), "' twice"));
    }
    place += kCentralBytes + name_bytes + extra_bytes + At<uint16_t>(*record, 32);
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::string_view> ZipArchive::Read(absl::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return absl::NotFoundError(absl::StrCat("the zip archive has no '", Shown(name), "'"));
  }
  const Entry& entry = found->second;
  if (entry.method != 0 || (entry.flags & kEncrypted) != 0 || entry.packed != entry.size) {
    return absl::UnimplementedError(
        absl::StrCat("'", Shown(name),
                     "' of the zip archive is compressed or encrypted; PyTorch stores it as it "
                     "is: save the file again with torch.save"));
  }
  const auto local = Part(bytes_, entry.header, kLocalBytes);
  if (!local.has_value() || local->substr(0, 4) != kLocal) {
    return Damaged(absl::StrCat("'", Shown(name), "' is not where the directory says"));
  }
  // Its own lengths: torch pads here, so that data is aligned.
  const uint64_t skip = kLocalBytes + At<uint16_t>(*local, 26) + uint64_t{At<uint16_t>(*local, 28)};
  const auto content = Part(bytes_, entry.header + skip, entry.size);
  if (!content.has_value()) return Damaged(absl::StrCat("'", Shown(name), "' leaves the file"));
  if (const uint32_t crc = Crc32Of(*content); crc != entry.crc) {
    return absl::DataLossError(
        absl::StrFormat("'%s' of the zip archive is damaged: CRC is %08x, "
                        "the directory says %08x",
                        Shown(name), crc, entry.crc));
  }
  return *content;
}

}  // namespace trainyard::weights
