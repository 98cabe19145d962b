#include "libs/sealing/model_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/sealing/internal/bytes.h"
#include "libs/sealing/internal/crypto.h"
#include "libs/sealing/internal/foreign.h"
#include "libs/sealing/internal/header.h"
#include "libs/sealing/internal/sections.h"

namespace trainyard::sealing {
namespace {

using sealing::AsView;
using sealing::Header;
using sealing::kHeaderSize;
using sealing::kTagSize;
using sealing::Secret;

// About 70 ms with SHA instructions, below 200 ms without.
constexpr uint32_t kIterations = 310'000;
// One salt for all files: see docs/sealing.md, "Why the salt does not vary".
constexpr sealing::Bytes16 kKdfSalt = {'t', 'r', 'a', 'i', 'n', 'y', 'a', 'r',
                                       'd', ' ', 'k', 'd', 'f', ' ', 'v', '1'};
constexpr int64_t kFirstBytes = 300;

// The keys of one file. `file_salt` of the header must be set for FileKey.
Secret MasterOf(const Header& header, absl::string_view key) {
  return sealing::DeriveMaster(key, header.kdf_salt, header.iterations);
}
sealing::Bytes16 KeyCheckOf(const Secret& master) {
  return sealing::Derive16(master, "key check", "");
}
Secret FileKeyOf(const Secret& master, const Header& header) {
  return sealing::Derive(master, "file key", AsView(header.file_salt));
}

// A synthetic salt: a function, under the key, of all that the file says. Two different files have
// different salts, hence different file keys, so no (key, nonce) pair is used for two contents.
sealing::Bytes16 FileSaltOf(const Secret& master, const Header& header, absl::string_view table) {
  Header unsalted = header;
  unsalted.file_salt = {};
  return sealing::Derive16(master, "file salt",
                           absl::StrCat(sealing::EncodeHeader(unsalted), table));
}

Header MakeHeader(SealedKind kind, uint64_t plaintext_size, absl::string_view key) {
  Header header;
  header.kind = kind;
  header.keyless = key.empty();
  // Stretching an empty key would cost time and protect nothing.
  header.iterations = header.keyless ? 1 : kIterations;
  header.kdf_salt = kKdfSalt;
  header.plaintext_size = plaintext_size;
  return header;
}

// The plaintext of a file: table and sections one after another, read in pieces without joining
// them.
class Plaintext {
 public:
  Plaintext(absl::string_view table, const Sections& sections) {
    pieces_.push_back(table);
    for (const auto& [name, content] : sections) pieces_.push_back(content);
    for (const absl::string_view piece : pieces_) size_ += piece.size();
  }
  uint64_t size() const { return size_; }
  // The next at most `size` bytes.
  std::string Next(size_t size) {
    std::string chunk;
    while (chunk.size() < size && at_ < pieces_.size()) {
      const absl::string_view taken = pieces_[at_].substr(0, size - chunk.size());
      chunk.append(taken.data(), taken.size());
      pieces_[at_].remove_prefix(taken.size());
      if (pieces_[at_].empty()) ++at_;
    }
    return chunk;
  }

 private:
  std::vector<absl::string_view> pieces_;
  size_t at_ = 0;
  uint64_t size_ = 0;
};

absl::Status WriteError(const std::string& path) {
  const std::string message = absl::StrCat("cannot write '", path, "': ", strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT) return absl::ResourceExhaustedError(message);
  if (errno == EACCES || errno == EPERM) return absl::PermissionDeniedError(message);
  if (errno == ENOENT || errno == ENOTDIR) return absl::NotFoundError(message);
  return absl::InternalError(message);
}

// A file that was opened and whose header has been read.
struct OpenFile {
  std::ifstream stream;
  Header header;
  std::string header_bytes;
};

absl::StatusOr<OpenFile> OpenHeader(const std::string& path) {
  // Opening or reading anything else may wait for ever.
  TY_ASSIGN_OR_RETURN(const int fd, OpenRegularFile(path));
  close(fd);
  TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  OpenFile file;
  file.stream.open(path, std::ios::binary);
  if (!file.stream) {
    return absl::PermissionDeniedError(absl::StrCat("cannot open '", path, "': ", strerror(errno)));
  }
  std::string first(static_cast<size_t>(std::min(size, kFirstBytes)), '\0');
  file.stream.read(first.data(), static_cast<std::streamsize>(first.size()));
  first.resize(static_cast<size_t>(file.stream.gcount()));
  if (!sealing::LooksSealed(first)) return sealing::DescribeForeign(path, first, size);
  auto header = sealing::DecodeHeader(first, size);
  if (!header.ok()) return Annotate(header.status(), absl::StrCat("'", path, "'"));
  file.header = *header;
  file.header_bytes = first.substr(0, kHeaderSize);
  file.stream.clear();
  file.stream.seekg(kHeaderSize);
  return file;
}

absl::Status CheckKind(SealedKind kind, absl::Span<const SealedKind> accepted) {
  if (accepted.empty() || std::find(accepted.begin(), accepted.end(), kind) != accepted.end()) {
    return absl::OkStatus();
  }
  std::vector<absl::string_view> names;
  for (const SealedKind one : accepted) names.push_back(NameOf(one));
  return absl::InvalidArgumentError(
      absl::StrCat("is of kind ", NameOf(kind), "; expected ", absl::StrJoin(names, " or ")));
}

absl::Status CheckKey(const Header& header, const Secret& master, absl::string_view key) {
  if (KeyCheckOf(master) == header.key_check) return absl::OkStatus();
  if (header.keyless) {
    return absl::InvalidArgumentError("was sealed without a key; give none");
  }
  return absl::InvalidArgumentError(key.empty()
                                        ? "is sealed with a key; none was given"
                                        : "the key is wrong: the file was sealed with another one");
}

absl::StatusOr<std::string> DecryptAll(OpenFile& file, const Secret& file_key) {
  const Header& header = file.header;
  std::string plaintext(header.plaintext_size, '\0');
  std::string sealed;
  uint64_t done = 0;
  for (int64_t i = 0; i < header.ChunkCount(); ++i) {
    const uint64_t size = std::min<uint64_t>(header.chunk_size, header.plaintext_size - done);
    sealed.resize(size + kTagSize);
    file.stream.read(sealed.data(), static_cast<std::streamsize>(sealed.size()));
    const bool final = i + 1 == header.ChunkCount();
    if (file.stream.gcount() != static_cast<std::streamsize>(sealed.size()) ||
        !sealing::OpenChunk(file_key, static_cast<uint32_t>(i), final, file.header_bytes, sealed,
                            plaintext.data() + done)) {
      return absl::DataLossError(absl::StrCat(
          "is damaged: the ", size, " bytes of chunk ", i + 1, " of ", header.ChunkCount(),
          ", from byte ", kHeaderSize + i * (int64_t{header.chunk_size} + kTagSize),
          ", are not what was sealed"));
    }
    done += size;
  }
  return plaintext;
}

absl::StatusOr<Sections> OpenSections(OpenFile& file, absl::Span<const SealedKind> accepted,
                                      absl::string_view key) {
  TY_RETURN_IF_ERROR(CheckKind(file.header.kind, accepted));
  const Secret master = MasterOf(file.header, key);
  TY_RETURN_IF_ERROR(CheckKey(file.header, master, key));
  TY_ASSIGN_OR_RETURN(const std::string plaintext,
                      DecryptAll(file, FileKeyOf(master, file.header)));
  return sealing::DecodeSections(plaintext);
}

}  // namespace

absl::string_view NameOf(SealedKind kind) {
  switch (kind) {
    case SealedKind::kCheckpoint:
      return "checkpoint (.tlt)";
    case SealedKind::kExport:
      return "export (.etlt)";
    case SealedKind::kEngine:
      return "engine (.engine)";
  }
  return "unknown";
}

absl::Status SaveSealed(const std::string& path, SealedKind kind, const Sections& sections,
                        absl::string_view key) {
  TY_RETURN_IF_ERROR(sealing::CheckSections(sections));
  const std::string table = sealing::EncodeTable(sections);
  Plaintext plaintext(table, sections);
  Header header = MakeHeader(kind, plaintext.size(), key);
  const Secret master = MasterOf(header, key);
  header.key_check = KeyCheckOf(master);
  header.file_salt = FileSaltOf(master, header, table);
  const Secret file_key = FileKeyOf(master, header);
  const std::string header_bytes = sealing::EncodeHeader(header);

  PendingFile pending(path);
  TY_RETURN_IF_ERROR(pending.status());
  std::ofstream file(pending.path(), std::ios::binary | std::ios::trunc);
  file.write(header_bytes.data(), static_cast<std::streamsize>(header_bytes.size()));
  for (int64_t i = 0; file && i < header.ChunkCount(); ++i) {
    const std::string sealed =
        sealing::SealChunk(file_key, static_cast<uint32_t>(i), i + 1 == header.ChunkCount(),
                           header_bytes, plaintext.Next(header.chunk_size));
    file.write(sealed.data(), static_cast<std::streamsize>(sealed.size()));
  }
  file.close();
  if (!file) return WriteError(path);
  return pending.Commit();
}

absl::StatusOr<SealedFile> OpenSealed(const std::string& path,
                                      absl::Span<const SealedKind> accepted,
                                      absl::string_view key) {
  TY_ASSIGN_OR_RETURN(OpenFile file, OpenHeader(path));
  auto sections = OpenSections(file, accepted, key);
  if (!sections.ok()) return Annotate(sections.status(), absl::StrCat("'", path, "'"));
  return SealedFile{.kind = file.header.kind, .sections = *std::move(sections)};
}

absl::StatusOr<Sections> LoadSealed(const std::string& path, SealedKind kind,
                                    absl::string_view key) {
  TY_ASSIGN_OR_RETURN(SealedFile file, OpenSealed(path, {kind}, key));
  return std::move(file.sections);
}

absl::StatusOr<SealedKind> PeekSealed(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const OpenFile file, OpenHeader(path));
  return file.header.kind;
}

}  // namespace trainyard::sealing
