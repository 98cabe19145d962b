#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Opens a regular file for reading; the caller closes the descriptor. Never waits: a FIFO, socket or
/// device, whose other side decides when a read returns, is kInvalidArgument, as a folder is.
/// kNotFound, kPermissionDenied, kInternal as the system says. Messages name the path.
absl::StatusOr<int> OpenRegularFile(const std::string& path);

/// Reads a whole regular file (OpenRegularFile). kResourceExhausted when it is larger than
/// `max_bytes` (nothing is allocated then); kInternal for I/O errors. Messages name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes = int64_t{4} << 30);

/// Writes `content` so that a reader sees the old file or the whole new one: a temporary name in the
/// same folder, fsync, rename, fsync of the folder. Parent folders must exist.
absl::Status WriteFileAtomically(const std::string& path, absl::string_view content);

/// A file that comes into being whole or not at all. Write to `path()` (a temporary file beside the
/// target), then Commit; destroyed without Commit, it is removed. Where the target must not be written
/// (libs/base/writes.h, GuardWrites) path() is "", and status() and Commit say why.
class PendingFile {
 public:
  explicit PendingFile(std::string target);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  absl::Status status() const { return failure_; }
  const std::string& path() const { return path_; }
  /// Syncs and renames to the target. Call once.
  absl::Status Commit();

 private:
  std::string target_;
  std::string temporary_;
  std::string path_;
  absl::Status failure_;
  int fd_ = -1;
  bool committed_ = false;
};

/// Makes `path` and its parents, like `mkdir -p`. OK when it is there.
absl::Status MakeFolders(const std::string& path);

/// Makes an empty file that only its owner may read and write, or takes a file that is there from
/// everybody else.
absl::Status MakePrivateFile(const std::string& path);

/// The names (not paths) in a folder, sorted by bytes. kNotFound when it is not there.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path);

bool FileExists(const std::string& path);
bool FolderExists(const std::string& path);
absl::StatusOr<int64_t> FileSize(const std::string& path);

/// Removes a file or a folder with all that is in it; OK when it is not there.
absl::Status RemoveTree(const std::string& path);

/// Renames and syncs the parent folder. The target must not be a non-empty folder.
absl::Status RenameSynced(const std::string& from, const std::string& to);

/// Paths that match a shell pattern (*, ?, [..]), sorted; empty when nothing matches.
std::vector<std::string> Glob(const std::string& pattern);

/// "a/b" + "c" = "a/b/c"; an absolute second part wins.
std::string JoinPath(absl::string_view a, absl::string_view b);
/// The last part of a path, and all before it ("." when there is none).
std::string BaseName(absl::string_view path);
std::string DirName(absl::string_view path);
/// The base name without its last extension; the last extension with its dot ("" when none).
std::string Stem(absl::string_view path);
std::string Extension(absl::string_view path);

}  // namespace trainyard
