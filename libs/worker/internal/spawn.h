#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace trainyard::worker::internal {

struct SpawnOptions {
  /// The program's absolute path first.
  std::vector<std::string> arguments;
  /// Added to the variables that pass through: those of places, languages, accelerators, threads and
  /// sanitizers. All others stay here, and so does each whose name sounds like a secret's: what a
  /// service may read (a key's `env:NAME`) is no business of its workers.
  std::map<std::string, std::string> environment;
  /// stdout and stderr are appended here; "" = nowhere.
  std::string log_path;
  /// (ours, the child's number): descriptors that the child gets, stdout (1) too; it gets no others.
  std::vector<std::pair<int, int>> inherited;
};

/// posix_spawn of one of our programs: a process group of its own, no signal blocked or ignored,
/// stdin from /dev/null. The caller reaps. kNotFound, kResourceExhausted or kInternal with the
/// system's words.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

}  // namespace trainyard::worker::internal
