#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// From now on, in all of this process, what libs/base writes, makes, renames or removes at a path
/// below `root` stays below it: a folder that was put in a link's place, or a link in a folder's, after
/// the path was checked leads to kPermissionDenied instead of to somewhere else. The kernel looks, at
/// every use (openat2, RESOLVE_BENEATH; before Linux 5.6 the canonical path is looked at, just before).
/// Paths that are not below a guarded root are as they were. `root` is absolute and canonical; "/" and
/// "" guard nothing. Thread-safe; there is no way back.
void GuardWrites(const std::string& root);

/// The folder that holds `path`, open, and the last part of `path`: for the calls that end in "at".
/// Below a guarded root the folder is found there, by the kernel; else it is AT_FDCWD with the whole
/// path. Movable.
class Place {
 public:
  /// kNotFound when the folder is not there; kPermissionDenied when it is elsewhere.
  static absl::StatusOr<Place> Of(const std::string& path);
  Place(Place&& other) noexcept
      : folder_(std::exchange(other.folder_, -1)), name_(std::move(other.name_)) {}
  Place& operator=(Place&&) = delete;
  ~Place();

  /// A descriptor, or AT_FDCWD.
  int folder() const;
  const std::string& name() const { return name_; }
  /// A path for calls that know no descriptors; it holds as long as this object.
  std::string Path() const;

 private:
  Place(int folder, std::string name) : folder_(folder), name_(std::move(name)) {}
  int folder_;  // -1 = none
  std::string name_;
};

/// open(2) of a file for writing, with O_CLOEXEC; a new one gets 0644. Below a guarded root the file is
/// there, too: a link that leads out of it is refused. The caller closes. kNotFound,
/// kPermissionDenied, kResourceExhausted (no room) or kInternal in the system's words.
absl::StatusOr<int> OpenToWrite(const std::string& path, int flags);

/// Appends `text` to a file, which is made when it is missing.
absl::Status AppendToFile(const std::string& path, absl::string_view text);

/// A second name of a file.
absl::Status LinkFile(const std::string& from, const std::string& to);

/// fsync of a descriptor: 0 or errno.
int SyncDescriptor(int fd);
/// How many threads of this process wait in SyncDescriptor: that they write nothing does not mean that
/// they stand still.
int SyncsUnderWay();

/// "cannot ACTION 'PATH': ..." with the code that fits errno.
absl::Status ErrnoStatus(absl::string_view action, absl::string_view path, int error);

}  // namespace trainyard
