#include "libs/worker/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

namespace trainyard::worker {
namespace {

std::string LockPath(const std::string& job_dir) { return JoinPath(job_dir, "lock"); }

// Whether the descriptor is of the file that has this path now.
bool IsAt(int fd, const std::string& path) {
  struct stat held, named;
  return fstat(fd, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

absl::Status Lock(int fd, const std::string& path) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno == EWOULDBLOCK) {
    return absl::AbortedError(
        absl::StrCat("another worker holds '", path, "'; one results folder has one writer"));
  }
  return absl::InternalError(absl::StrCat("cannot lock '", path, "': ", strerror(errno)));
}

}  // namespace

absl::StatusOr<FolderLock> FolderLock::Take(const std::string& job_dir) {
  const std::string path = LockPath(job_dir);
  while (true) {
    TY_ASSIGN_OR_RETURN(const int fd, OpenToWrite(path, O_RDWR | O_CREAT));
    FolderLock lock(fd);
    TY_RETURN_IF_ERROR(Lock(fd, path));
    // Who removed the folder and made it anew made another file: that one is the lock now.
    if (IsAt(fd, path)) return lock;
  }
}

absl::StatusOr<FolderLock> FolderLock::Inherit(const std::string& job_dir, int fd) {
  FolderLock lock(fd);
  const std::string path = LockPath(job_dir);
  if (!IsAt(fd, path)) {
    return absl::AbortedError(
        absl::StrCat("'", path, "' is not the lock that this worker was given; its folder was replaced"));
  }
  TY_RETURN_IF_ERROR(Lock(fd, path));
  return lock;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace trainyard::worker
