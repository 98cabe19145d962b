#include "libs/base/digest.h"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <tuple>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;

void Sha256::Update(absl::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::HexDigest() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, raw, &size);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(raw), size));
}

std::string Sha256Hex(absl::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

namespace {

// The clock of a file system's times moves in steps of up to 10 ms.
constexpr absl::Duration kClockTick = absl::Milliseconds(20);

// What differs, or is another file, when the content does: the time of the last change of anything about
// the file (ctime) cannot be set back by who writes to it.
using FileState = std::tuple<dev_t, ino_t, off_t, int64_t, int64_t, int64_t, int64_t>;

FileState StateOf(const struct stat& info) {
  return {info.st_dev,         info.st_ino,          info.st_size,        info.st_mtim.tv_sec,
          info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec};
}

}  // namespace

absl::StatusOr<std::string> FileDigest(const std::string& path, const std::stop_token& stop) {
  if (stop.stop_requested()) return absl::CancelledError("stopped on request");
  TY_ASSIGN_OR_RETURN(const int fd, OpenRegularFile(path));
  std::unique_ptr<FILE, int (*)(FILE*)> file(fdopen(fd, "rb"), fclose);
  struct stat info;
  if (!file || fstat(fd, &info) != 0) {
    if (!file) close(fd);
    return absl::InternalError(absl::StrCat("cannot read '", path, "': ", strerror(errno)));
  }
  static std::mutex mutex;
  static auto* cache = new std::map<FileState, std::string>();
  const FileState key = StateOf(info);
  const absl::Time looked = absl::Now();
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (const auto found = cache->find(key); found != cache->end()) return found->second;
  }
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), file.get())) {
    hash.Update({buffer.data(), n});
    if (stop.stop_requested()) return absl::CancelledError("stopped on request");
  }
  if (ferror(file.get())) return absl::InternalError(absl::StrCat("cannot read '", path, "'"));
  std::string digest = hash.HexDigest();
  // What changed just now, or while it was read, may change again within the same tick of its clock.
  if (looked - absl::TimeFromTimespec(info.st_ctim) < kClockTick ||
      fstat(fileno(file.get()), &info) != 0 || StateOf(info) != key) {
    return digest;
  }
  std::lock_guard<std::mutex> lock(mutex);
  if (cache->size() > 100000) cache->clear();
  (*cache)[key] = digest;
  return digest;
}

namespace {

// All regular files below a folder, sorted by path.
absl::StatusOr<std::vector<std::string>> FilesBelow(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; it != end; it.increment(error)) {
    if (error) break;
    if (absl::StartsWith(it->path().filename().string(), ".tmp-")) {
      if (it->is_directory(error)) it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file(error)) files.push_back(it->path().string());
  }
  if (error) {
    return absl::InternalError(absl::StrCat("cannot list '", folder, "': ", error.message()));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Whether a file beside the shards of a set is one of them, or of the files that tell about them.
bool IsOfSet(absl::string_view name, absl::string_view set) {
  if (!absl::ConsumePrefix(&name, set)) return false;
  return absl::StartsWith(name, "-fold-") || name == "_manifest.json" || name == "_ledger.jsonl" ||
         name == "_warning.json";
}

// The files that a prefix of names means; see PathDigest.
std::vector<std::string> FilesOfPrefix(const std::string& path) {
  const auto names = ListFolder(DirName(path));
  const std::string prefix = BaseName(path);
  if (!names.ok() || prefix.empty()) return {};
  const bool is_set = std::any_of(names->begin(), names->end(), [&](const std::string& name) {
    return absl::StartsWith(name, prefix + "-fold-");
  });
  std::vector<std::string> files;
  for (const std::string& name : *names) {
    const bool meant = is_set ? IsOfSet(name, prefix) : absl::StartsWith(name, prefix);
    std::string file = JoinPath(DirName(path), name);
    if (meant && FileExists(file)) files.push_back(std::move(file));
  }
  return files;
}

// The files that a path means: itself, those below it, or those of a prefix.
absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& path) {
  if (FolderExists(path)) return FilesBelow(path);
  if (FileExists(path)) return std::vector<std::string>{path};
  std::vector<std::string> files = FilesOfPrefix(path);
  if (files.empty()) return absl::NotFoundError(absl::StrCat("nothing is at '", path, "'"));
  return files;
}

}  // namespace

absl::StatusOr<std::string> PathDigest(const std::string& path, const std::stop_token& stop) {
  if (FileExists(path)) return FileDigest(path, stop);
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
  // "dir/" and "dir" mean the same folder and have the same rows.
  const size_t skipped = path.size() - (absl::EndsWith(path, "/") ? 1 : 0);
  Sha256 hash;
  for (const std::string& file : files) {
    TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(file));
    TY_ASSIGN_OR_RETURN(const std::string digest, FileDigest(file, stop));
    hash.Update(absl::StrCat(file.substr(skipped), "\n", size, "\n", digest, "\n"));
  }
  return hash.HexDigest();
}

absl::StatusOr<int64_t> PathSize(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesOf(path));
  int64_t total = 0;
  for (const std::string& file : files) {
    TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(file));
    total += size;
  }
  return total;
}

namespace {

// Slicing by eight: eight table look-ups replace eight dependent byte steps.
struct Crc32cTables {
  uint32_t t[8][256];
  Crc32cTables() {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
      t[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; ++i) {
      for (int k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
    }
  }
};

}  // namespace

uint32_t Crc32c(absl::string_view bytes) {
  static const Crc32cTables tables;
  const auto& t = tables.t;
  uint32_t crc = 0xFFFFFFFFu;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    word ^= crc;
    crc = 0;
    for (int k = 0; k < 8; ++k) crc ^= t[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; n > 0; --n, ++p) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
  return ~crc;
}

uint32_t MaskedCrc32c(absl::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace trainyard
