#include "libs/data/internal/workplace.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

namespace trainyard::data::internal {

namespace {

// The same for the same target. A name that would become too long ends in its digest.
std::string HiddenName(const std::string& target) {
  constexpr absl::string_view kMark = ".tmp-";
  constexpr size_t kDigest = 16;
  const std::string name = BaseName(target);
  if (kMark.size() + name.size() <= NAME_MAX) return absl::StrCat(kMark, name);
  return absl::StrCat(kMark, name.substr(0, NAME_MAX - kMark.size() - kDigest),
                      Sha256Hex(name).substr(0, kDigest));
}

}  // namespace

Workplace::Workplace(const std::string& target)
    : path_(JoinPath(DirName(target), HiddenName(target))) {}

Workplace::~Workplace() {
  if (fd_ < 0) return;
  RemoveTree(path_).IgnoreError();  // What stays is cleared by the next Open.
  close(fd_);
}

absl::Status Workplace::Open() {
  TY_RETURN_IF_ERROR(MakeFolders(path_));
  const int fd = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return absl::InternalError(absl::StrCat("cannot open '", path_, "': ", strerror(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(absl::StrCat("another process writes to '", path_,
                                                      "'; wait for it or choose another output"));
  }
  fd_ = fd;
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(path_));
  for (const std::string& name : names) TY_RETURN_IF_ERROR(RemoveTree(In(name)));
  return absl::OkStatus();
}

absl::Status Workplace::Sync() const {
  return syncfs(fd_) == 0 ? absl::OkStatus() : ErrnoStatus("sync", path_, errno);
}

std::string Workplace::In(const std::string& name) const { return JoinPath(path_, name); }

}  // namespace trainyard::data::internal
