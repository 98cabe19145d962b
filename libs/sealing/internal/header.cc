#include "libs/sealing/internal/header.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/digest.h"
#include "libs/sealing/internal/bytes.h"

namespace trainyard::sealing {
namespace {

constexpr uint16_t kFlagKeyless = 1;
constexpr uint16_t kPbkdf2Sha256 = 1;
constexpr uint16_t kAes256GcmChunks = 1;
/// Twice what this version writes. The header is not authentic before the key is derived, so whoever
/// made the file chooses how long a look at the key takes.
constexpr uint32_t kMaxIterations = 620'000;
constexpr uint32_t kMaxChunkSize = 1 << 26;
// A header of any version ends in its CRC, so that damage is told from a newer version.
constexpr int64_t kLeastHeaderSize = 20;

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the header is damaged: ", what));
}

absl::Status CheckIntegrity(absl::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) return Damaged("the magic differs");
  ByteReader reader(bytes.substr(kMagic.size()));
  const uint16_t major = reader.U16();
  const uint16_t minor = reader.U16();
  const uint32_t size = reader.U32();
  if (size < kLeastHeaderSize || size > 4096) {
    return Damaged(absl::StrCat("its size is ", size, "; expected ", kHeaderSize));
  }
  // A header of another size can only be checked as far as it was read.
  if (size == kHeaderSize) {
    const uint32_t stored = ByteReader(bytes.substr(kHeaderSize - 4)).U32();
    const uint32_t found = Crc32c(bytes.substr(0, kHeaderSize - 4));
    if (stored != found) {
      return Damaged(absl::StrFormat("its CRC is %08x, its bytes give %08x", stored, found));
    }
  }
  if (major > kMajor) {
    return absl::UnimplementedError(absl::StrCat("has format version ", major, ".", minor,
                                                 "; this program reads up to ", kMajor,
                                                 ".x: open it with a newer Trainyard"));
  }
  if (major != kMajor || size != kHeaderSize) {
    return Damaged(absl::StrCat("version ", major, ".", minor, " with a header of ", size,
                                " bytes does not exist"));
  }
  return absl::OkStatus();
}

absl::Status CheckRanges(const Header& header, uint16_t flags, uint16_t kdf, uint16_t cipher) {
  const auto kind = static_cast<uint16_t>(header.kind);
  if (kind < 1 || kind > 3) return Damaged(absl::StrCat("kind ", kind, " is unknown"));
  if (flags > kFlagKeyless) return Damaged(absl::StrCat("flags ", flags, " are unknown"));
  if (kdf != kPbkdf2Sha256) return Damaged(absl::StrCat("key derivation ", kdf, " is unknown"));
  if (cipher != kAes256GcmChunks) return Damaged(absl::StrCat("cipher ", cipher, " is unknown"));
  if (header.iterations < 1 || header.iterations > kMaxIterations) {
    return Damaged(
        absl::StrCat("iterations is ", header.iterations, "; expected 1 to ", kMaxIterations));
  }
  if (header.chunk_size < 1 || header.chunk_size > kMaxChunkSize) {
    return Damaged(
        absl::StrCat("chunk size is ", header.chunk_size, "; expected 1 to ", kMaxChunkSize));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t Header::ChunkCount() const {
  // An empty plaintext still has one chunk, whose tag authenticates the header.
  return std::max<int64_t>(1, static_cast<int64_t>((plaintext_size + chunk_size - 1) / chunk_size));
}

int64_t Header::FileSize() const {
  return kHeaderSize + static_cast<int64_t>(plaintext_size) + ChunkCount() * kTagSize;
}

std::string EncodeHeader(const Header& header) {
  ByteWriter writer;
  writer.Raw(kMagic);
  writer.U16(header.major);
  writer.U16(header.minor);
  writer.U32(kHeaderSize);
  writer.U16(static_cast<uint16_t>(header.kind));
  writer.U16(header.keyless ? kFlagKeyless : 0);
  writer.U16(kPbkdf2Sha256);
  writer.U16(kAes256GcmChunks);
  writer.U32(header.iterations);
  writer.U32(header.chunk_size);
  writer.Raw(AsView(header.kdf_salt));
  writer.Raw(AsView(header.file_salt));
  writer.Raw(AsView(header.key_check));
  writer.U64(header.plaintext_size);
  writer.U32(0);  // reserved
  writer.U32(Crc32c(writer.bytes()));
  return writer.Take();
}

absl::StatusOr<Header> DecodeHeader(absl::string_view bytes, int64_t file_size) {
  if (static_cast<int64_t>(bytes.size()) < kHeaderSize) {
    return absl::DataLossError(absl::StrCat("is cut short: it has ", file_size,
                                            " bytes, and the header alone takes ", kHeaderSize));
  }
  const absl::Status integrity = CheckIntegrity(bytes.substr(0, kHeaderSize));
  if (!integrity.ok()) return integrity;
  ByteReader reader(bytes.substr(kMagic.size()));
  Header header;
  header.major = reader.U16();
  header.minor = reader.U16();
  reader.U32();
  header.kind = static_cast<SealedKind>(reader.U16());
  const uint16_t flags = reader.U16();
  const uint16_t kdf = reader.U16();
  const uint16_t cipher = reader.U16();
  header.keyless = flags & kFlagKeyless;
  header.iterations = reader.U32();
  header.chunk_size = reader.U32();
  reader.Fill(header.kdf_salt);
  reader.Fill(header.file_salt);
  reader.Fill(header.key_check);
  header.plaintext_size = reader.U64();
  const absl::Status ranges = CheckRanges(header, flags, kdf, cipher);
  if (!ranges.ok()) return ranges;
  // The size of the file bounds all that is allocated from here on.
  if (header.plaintext_size > static_cast<uint64_t>(file_size)) {
    return absl::DataLossError(absl::StrCat("is cut short: it has ", file_size,
                                            " bytes; its header tells of ", header.plaintext_size,
                                            " bytes of content"));
  }
  if (header.FileSize() != file_size) {
    return absl::DataLossError(
        absl::StrCat(file_size < header.FileSize() ? "is cut short" : "has bytes after its end",
                     ": it has ", file_size, " bytes; its header tells of ", header.FileSize()));
  }
  return header;
}

bool LooksSealed(absl::string_view first_bytes) {
  const absl::string_view head = first_bytes.substr(0, kMagic.size());
  if (head.empty()) return false;
  size_t wrong = 0;
  for (size_t i = 0; i < head.size(); ++i) wrong += head[i] != kMagic[i];
  return head.size() == kMagic.size() ? wrong <= 2 : wrong == 0;
}

}  // namespace trainyard::sealing
