#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/json.h"

namespace trainyard::tasks {

/// One line of TAO's status.json.
struct StatusEntry {
  /// `STARTED`, `RUNNING`, `SUCCESS`, `FAILURE`, `SKIPPED`.
  std::string status;
  std::string message;
  std::string verbosity = "INFO";
  /// Members of the line itself (epoch, eta...): JSON values as they are to be printed.
  JsonMembers fields;
  /// Members of `categorical`, `graphical` and `kpi`, likewise; left out when empty.
  JsonMembers categorical, graphical, kpi;
};
/// The line, with its line break. Date `M/D/YYYY` and time `H:M:S` without padding, in UTC.
std::string StatusLine(const StatusEntry& entry, absl::Time now);
/// Appends the line to `path` with one write, making the file when it is not there. kInternal when
/// it cannot.
absl::Status AppendStatus(const std::string& path, const StatusEntry& entry, absl::Time now);

}  // namespace trainyard::tasks
