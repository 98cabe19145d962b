#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace trainyard::worker {

/// The right to write a job's folder: flock on `<job_dir>/lock`. Who starts a worker takes it and gives
/// the worker the descriptor, so that there is no moment in which neither has it; it ends when all who
/// have the descriptor have closed it or died. Movable.
class FolderLock {
 public:
  /// kAborted when another process holds it.
  static absl::StatusOr<FolderLock> Take(const std::string& job_dir);
  /// Of a descriptor that this process got from its starter. kAborted unless it is the lock of the
  /// folder as it is now, and held.
  static absl::StatusOr<FolderLock> Inherit(const std::string& job_dir, int fd);
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

  int fd() const { return fd_; }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace trainyard::worker
