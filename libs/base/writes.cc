#include "libs/base/writes.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0644;

std::atomic<int> syncs_under_way{0};
std::atomic<bool> is_guarded{false};
std::mutex roots_mutex;

std::vector<std::string>& Roots() {
  static auto* roots = new std::vector<std::string>();
  return *roots;
}

// A path as its guarded root and what follows.
struct Guarded {
  std::string root;
  std::string relative;  // without a first slash; never empty
};

bool IsBelow(absl::string_view path, absl::string_view root) {
  return absl::StartsWith(path, root) && path.size() > root.size() + 1 && path[root.size()] == '/';
}

std::optional<Guarded> FindGuard(const std::string& path) {
  if (!is_guarded) return std::nullopt;
  std::error_code error;
  const std::string normal = fs::absolute(path, error).lexically_normal().string();
  const std::lock_guard<std::mutex> lock(roots_mutex);
  std::optional<Guarded> best;
  for (const std::string& root : Roots()) {
    if (!IsBelow(normal, root) || (best && best->root.size() >= root.size())) continue;
    best = Guarded{root, normal.substr(root.size() + 1)};
  }
  while (best && absl::EndsWith(best->relative, "/")) best->relative.pop_back();
  return best;
}

absl::Status Leaves(absl::string_view path, absl::string_view root) {
  return absl::PermissionDeniedError(absl::StrCat("'", path, "' leaves '", root,
                                                  "' by a symbolic link; nothing is written there"));
}

// Before Linux 5.6, or where a sandbox hides the call: looks, then opens.
absl::StatusOr<int> OpenAfterLook(const Guarded& guarded, const std::string& below, int flags) {
  const std::string path = JoinPath(guarded.root, below);
  std::error_code error;
  const std::string canonical = fs::weakly_canonical(path, error).string();
  if (error || (canonical != guarded.root && !IsBelow(canonical, guarded.root))) {
    return Leaves(path, guarded.root);
  }
  const int fd = open(path.c_str(), flags, kFileMode);
  if (fd < 0) return ErrnoStatus("open", path, errno);
  return fd;
}

// Opens `below` (relative to the root), which may be the root itself (".").
absl::StatusOr<int> OpenBelow(const Guarded& guarded, const std::string& below, int flags) {
  const int root = open(guarded.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return ErrnoStatus("open", guarded.root, errno);
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? kFileMode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd;
  do {
    fd = syscall(SYS_openat2, root, below.c_str(), &how, sizeof(how));
  } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
  const int error = errno;
  close(root);
  if (fd >= 0) return static_cast<int>(fd);
  if (error == ENOSYS || error == EPERM) return OpenAfterLook(guarded, below, flags | O_CLOEXEC);
  if (error == EXDEV || error == ELOOP) {
    return Leaves(JoinPath(guarded.root, below), guarded.root);
  }
  return ErrnoStatus("open", JoinPath(guarded.root, below), error);
}

}  // namespace

absl::Status ErrnoStatus(absl::string_view action, absl::string_view path, int error) {
  const std::string message = absl::StrCat("cannot ", action, " '", path, "': ", strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::InternalError(message);
  }
}

void GuardWrites(const std::string& root) {
  if (root.empty() || root == "/") return;
  const std::lock_guard<std::mutex> lock(roots_mutex);
  for (const std::string& known : Roots()) {
    if (known == root) return;
  }
  Roots().push_back(root);
  is_guarded = true;
}

absl::StatusOr<Place> Place::Of(const std::string& path) {
  const auto guarded = FindGuard(path);
  if (!guarded) return Place(-1, path);
  const std::string folder = DirName(guarded->relative);
  TY_ASSIGN_OR_RETURN(const int fd, OpenBelow(*guarded, folder, O_PATH | O_DIRECTORY));
  return Place(fd, BaseName(guarded->relative));
}

Place::~Place() {
  if (folder_ >= 0) close(folder_);
}

int Place::folder() const { return folder_ >= 0 ? folder_ : AT_FDCWD; }

std::string Place::Path() const {
  return folder_ >= 0 ? absl::StrCat("/proc/self/fd/", folder_, "/", name_) : name_;
}

absl::StatusOr<int> OpenToWrite(const std::string& path, int flags) {
  if (const auto guarded = FindGuard(path)) {
    return OpenBelow(*guarded, guarded->relative, flags);
  }
  const int fd = open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  if (fd < 0) return ErrnoStatus("open", path, errno);
  return fd;
}

absl::Status AppendToFile(const std::string& path, absl::string_view text) {
  TY_ASSIGN_OR_RETURN(const int fd, OpenToWrite(path, O_WRONLY | O_CREAT | O_APPEND));
  int error = 0;
  while (!text.empty() && error == 0) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n >= 0) text.remove_prefix(static_cast<size_t>(n));
    if (n < 0 && errno != EINTR) error = errno;
  }
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus("write", path, error);
}

absl::Status LinkFile(const std::string& from, const std::string& to) {
  TY_ASSIGN_OR_RETURN(const Place there, Place::Of(from));
  TY_ASSIGN_OR_RETURN(const Place here, Place::Of(to));
  if (linkat(there.folder(), there.name().c_str(), here.folder(), here.name().c_str(), 0) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(absl::StrCat("link '", from, "' to"), to, errno);
}

int SyncDescriptor(int fd) {
  ++syncs_under_way;
  int result;
  do {
    result = fsync(fd);
  } while (result != 0 && errno == EINTR);
  const int error = result == 0 ? 0 : errno;
  --syncs_under_way;
  return error;
}

int SyncsUnderWay() { return syncs_under_way; }

}  // namespace trainyard
