#include "libs/base/files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::string_view KindOf(mode_t mode) {
  if (S_ISFIFO(mode)) return "FIFO";
  if (S_ISSOCK(mode)) return "socket";
  return "device";
}

// Ends with the target's name, or its beginning: a name may have NAME_MAX bytes, and so may this.
std::string TemporaryName(const std::string& target) {
  static std::atomic<uint64_t> counter{0};
  const std::string mark = absl::StrCat(".tmp-", getpid(), "-", counter++, "-");
  return JoinPath(DirName(target),
                  absl::StrCat(mark, BaseName(target).substr(0, NAME_MAX - mark.size())));
}

absl::Status SyncFolder(const Place& place, const std::string& path) {
  const std::string folder = place.folder() == AT_FDCWD ? DirName(place.name()) : ".";
  const Descriptor open_folder(
      openat(place.folder(), folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (open_folder.get() < 0) return ErrnoStatus("open", DirName(path), errno);
  const int error = SyncDescriptor(open_folder.get());
  return error == 0 ? absl::OkStatus() : ErrnoStatus("sync", DirName(path), error);
}

// Whether a folder is there, reached without leaving a guarded root.
absl::StatusOr<bool> IsFolderInPlace(const std::string& path) {
  const auto place = Place::Of(path);
  if (absl::IsNotFound(place.status())) return false;
  TY_RETURN_IF_ERROR(place.status());
  struct stat info;
  if (fstatat(place->folder(), place->name().c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return false;
  }
  if (!S_ISLNK(info.st_mode)) return S_ISDIR(info.st_mode);
  // A link is a folder in place when something below it can be named.
  const auto within = Place::Of(JoinPath(path, "x"));
  if (absl::IsNotFound(within.status())) return false;
  TY_RETURN_IF_ERROR(within.status());
  return FolderExists(path);
}

}  // namespace

absl::StatusOr<int> OpenRegularFile(const std::string& path) {
  // O_NONBLOCK: opening a FIFO would wait for its writer. It means nothing to a regular file.
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  // What a socket's file, or a device without a driver, says to open.
  const bool no_device = fd < 0 && (errno == ENXIO || errno == ENODEV);
  if (fd < 0 && !no_device) return ErrnoStatus("open", path, errno);
  struct stat info;
  if ((no_device ? stat(path.c_str(), &info) : fstat(fd, &info)) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return ErrnoStatus("stat", path, error);
  }
  if (S_ISREG(info.st_mode) && fd >= 0) return fd;
  if (fd >= 0) close(fd);
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is a folder; expected a file"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", path, "' is a ", KindOf(info.st_mode), "; expected a regular file"));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  TY_ASSIGN_OR_RETURN(const int fd, OpenRegularFile(path));
  const Descriptor file(fd);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return ErrnoStatus("stat", path, errno);
  if (info.st_size > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("'", path, "' has ", info.st_size,
                                                     " bytes; at most ", max_bytes, " are read"));
  }
  std::string content(static_cast<size_t>(info.st_size), '\0');
  size_t done = 0;
  char more[4096];
  while (true) {
    // The files of /proc have no size; others may grow meanwhile.
    const bool beyond = done == content.size();
    const ssize_t n = beyond ? read(file.get(), more, sizeof(more))
                             : read(file.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus("read", path, errno);
    if (n == 0) break;
    if (beyond) content.append(more, static_cast<size_t>(n));
    done += static_cast<size_t>(n);
    if (static_cast<int64_t>(done) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("'", path, "' has more than ", max_bytes, " bytes; no more are read"));
    }
  }
  content.resize(done);
  return content;
}

PendingFile::PendingFile(std::string target)
    : target_(std::move(target)), temporary_(TemporaryName(target_)), path_(temporary_) {
  const auto place = Place::Of(temporary_);
  if (!place.ok()) {
    failure_ = place.status();
    path_.clear();
  } else if (place->folder() != AT_FDCWD) {
    // A writer that opens this path gets the very file that is made here, whatever happens to its name.
    fd_ = openat(place->folder(), place->name().c_str(),
                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd_ < 0) failure_ = ErrnoStatus("create", temporary_, errno);
    path_ = fd_ < 0 ? "" : absl::StrCat("/proc/self/fd/", fd_);
  }
}

PendingFile::~PendingFile() {
  if (fd_ >= 0) close(fd_);
  if (committed_ || !failure_.ok()) return;
  const auto place = Place::Of(temporary_);
  if (place.ok()) unlinkat(place->folder(), place->name().c_str(), 0);
}

absl::Status PendingFile::Commit() {
  TY_RETURN_IF_ERROR(failure_);
  int fd = fd_;
  if (fd < 0) fd = open(temporary_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("open", temporary_, errno);
  const int error = SyncDescriptor(fd);
  if (fd != fd_) close(fd);
  if (error != 0) return ErrnoStatus("sync", temporary_, error);
  TY_RETURN_IF_ERROR(RenameSynced(temporary_, target_));
  committed_ = true;
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::string& path, absl::string_view content) {
  PendingFile pending(path);
  TY_RETURN_IF_ERROR(pending.status());
  {
    const Descriptor file(
        open(pending.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return ErrnoStatus("create", path, errno);
    while (!content.empty()) {
      const ssize_t n = write(file.get(), content.data(), content.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus("write", path, errno);
      content.remove_prefix(static_cast<size_t>(n));
    }
  }
  return pending.Commit();
}

absl::Status MakeFolders(const std::string& path) {
  // From the first folder that is missing down; each is made in a parent that is looked for anew.
  std::vector<std::string> missing;
  for (std::string folder = path; !folder.empty() && folder != "/" && folder != ".";
       folder = DirName(folder)) {
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
    TY_ASSIGN_OR_RETURN(const bool there, IsFolderInPlace(folder));
    if (there) break;
    missing.push_back(folder);
  }
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    TY_ASSIGN_OR_RETURN(const Place place, Place::Of(*folder));
    if (mkdirat(place.folder(), place.name().c_str(), 0777) == 0 || errno == EEXIST) continue;
    return ErrnoStatus("make folder", *folder, errno);
  }
  if (FolderExists(path) || path.empty()) return absl::OkStatus();
  return ErrnoStatus("make folder", path, ENOTDIR);
}

absl::Status MakePrivateFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600));
  if (file.get() < 0) return ErrnoStatus("create", path, errno);
  if (fchmod(file.get(), 0600) != 0) return ErrnoStatus("change the mode of", path, errno);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  std::error_code error;
  std::vector<std::string> names;
  fs::directory_iterator entries(path, error);
  if (error) return ErrnoStatus("list", path, error.value());
  for (const auto& entry : entries) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool FileExists(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool FolderExists(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

absl::StatusOr<int64_t> FileSize(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus("stat", path, errno);
  return static_cast<int64_t>(info.st_size);
}

absl::Status RemoveTree(const std::string& path) {
  const auto place = Place::Of(path);
  if (absl::IsNotFound(place.status())) return absl::OkStatus();
  TY_RETURN_IF_ERROR(place.status());
  std::error_code error;
  fs::remove_all(place->Path(), error);
  if (error) return ErrnoStatus("remove", path, error.value());
  return absl::OkStatus();
}

absl::Status RenameSynced(const std::string& from, const std::string& to) {
  TY_ASSIGN_OR_RETURN(const Place source, Place::Of(from));
  TY_ASSIGN_OR_RETURN(const Place target, Place::Of(to));
  if (renameat(source.folder(), source.name().c_str(), target.folder(), target.name().c_str()) != 0) {
    return ErrnoStatus("rename to", to, errno);
  }
  return SyncFolder(target, to);
}

std::vector<std::string> Glob(const std::string& pattern) {
  glob_t result{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &result) == 0) {
    paths.assign(result.gl_pathv, result.gl_pathv + result.gl_pathc);
  }
  globfree(&result);
  return paths;
}

std::string JoinPath(absl::string_view a, absl::string_view b) {
  if (a.empty() || (!b.empty() && b.front() == '/')) return std::string(b);
  if (b.empty()) return std::string(a);
  return absl::StrCat(a, a.back() == '/' ? "" : "/", b);
}

std::string BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

std::string DirName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string Stem(absl::string_view path) {
  const std::string name = BaseName(path);
  return name.substr(0, name.size() - Extension(name).size());
}

std::string Extension(absl::string_view path) {
  const std::string name = BaseName(path);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? "" : name.substr(dot);
}

}  // namespace trainyard
