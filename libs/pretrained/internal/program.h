#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trainyard::pretrained {

struct ProgramOptions {
  /// The program's absolute path first.
  std::vector<std::string> arguments;
  /// It runs here: an empty folder, since Python looks for modules where it runs.
  std::string folder;
  /// The name of a variable that it must not see; "" = none.
  std::string withheld;
  /// Gets each line of its stdout and stderr.
  std::function<void(const std::string& line)> on_line;
  std::stop_token stop;
};

/// Runs a program to its end, without a shell: stdin is empty, no other descriptor is passed on,
/// and of the environment only what a package client needs: places, languages, proxies,
/// certificates, its own settings (PIP_*, PYTHON*).
///
/// Fails with kUnavailable, with the last lines that it wrote, when it ends with another code than
/// 0; kCancelled when `stop` was requested, after it and its children were ended;
/// kResourceExhausted or kInternal in the system's words when it cannot be started.
absl::Status RunProgram(const ProgramOptions& options);

/// Where a program lies on $PATH, absolute. kNotFound.
absl::StatusOr<std::string> FindOnPath(const std::string& name);

}  // namespace trainyard::pretrained
