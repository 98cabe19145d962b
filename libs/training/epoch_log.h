#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trainyard::training {

/// TAO's `<network>_training_log_<arch>.csv`: a header `epoch` and the sorted keys, then a row an epoch;
/// `nan` where an epoch has no value. A resumed training keeps the rows before its first epoch, unlike
/// TAO, which starts over. Rows are appended whole. Not thread-safe.
class EpochLog {
 public:
  /// Keeps of an existing file the rows of epochs before `first_epoch` (1-based), column by column:
  /// those that it has not are `nan`, those that are no keys any more go. `keys` without `epoch`.
  static absl::StatusOr<EpochLog> Open(const std::string& path, std::vector<std::string> keys,
                                       int first_epoch);

  /// Values by key; keys that are missing are `nan`. kInternal when the file cannot be written.
  absl::Status Append(int epoch, const std::map<std::string, double>& values);

 private:
  EpochLog(std::string path, std::vector<std::string> keys)
      : path_(std::move(path)), keys_(std::move(keys)) {}
  std::string path_;
  std::vector<std::string> keys_;
};

}  // namespace trainyard::training
