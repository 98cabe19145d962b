#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// A folder below $TMPDIR (else /tmp) that nobody else may read; it goes away with this object, with all
/// that is in it.
class ScratchFolder {
 public:
  /// `name` begins the folder's name. kInternal when it cannot be made.
  static absl::StatusOr<ScratchFolder> Make(absl::string_view name);
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ScratchFolder& operator=(ScratchFolder&&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace trainyard
