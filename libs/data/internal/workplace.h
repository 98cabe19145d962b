#pragma once

#include <string>

#include "absl/status/status.h"

namespace trainyard::data::internal {

/// A hidden folder in which the files of an output come into being, to be renamed when all are
/// there. Locked, so that two works for one target do not mix, and removed at
/// the end with all that is still in it; what a killed process left is cleared by the next. Not
/// thread-safe.
class Workplace {
 public:
  /// For the output `target`: `.tmp-<base name>` beside it.
  explicit Workplace(const std::string& target);
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  /// Makes it, and the folder that it lies in. kFailedPrecondition when another process works
  /// there.
  absl::Status Open();

  /// Makes all that was written on its file system durable. Once for many files, instead of for each.
  absl::Status Sync() const;

  std::string In(const std::string& name) const;

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace trainyard::data::internal
