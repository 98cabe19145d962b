#include "libs/base/scratch_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"

namespace trainyard {

absl::StatusOr<ScratchFolder> ScratchFolder::Make(absl::string_view name) {
  const char* base = getenv("TMPDIR");
  std::string path = JoinPath(base != nullptr && *base != '\0' ? base : "/tmp",
                              absl::StrCat(name, "-XXXXXX"));
  if (mkdtemp(path.data()) != nullptr) return ScratchFolder(std::move(path));
  return absl::InternalError(
      absl::StrCat("cannot make a folder like '", path, "': ", strerror(errno)));
}

ScratchFolder::~ScratchFolder() {
  // Nothing to tell when it stays: it is in the temporary folder.
  if (!path_.empty()) RemoveTree(path_).IgnoreError();
}

}  // namespace trainyard
