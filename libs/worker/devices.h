#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace trainyard::worker {

/// What a worker program can work on, one phrase a device, as `<program> --devices` prints them:
/// "cuda:0 NVIDIA H200". Engines are bound to such a phrase: it names the hardware and the runtime.
/// Starts the program (absolute, or a name for FindProgram) and waits; it is killed after
/// `timeout`.
///
/// kNotFound: no such program; kDeadlineExceeded; kInternal when it ends with an error or prints
/// more than 64 KiB. Thread-safe.
absl::StatusOr<std::vector<std::string>> DevicesOf(const std::string& program,
                                                   absl::Duration timeout = absl::Seconds(30));

}  // namespace trainyard::worker
