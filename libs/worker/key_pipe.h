#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::worker {

/// The longest key that goes through a pipe.
inline constexpr size_t kMostKeyBytes = 32768;

/// A pipe that holds `key` and whose writing end is closed: the reading end (close-on-exec), which the
/// caller closes. kInvalidArgument for a key that does not fit; kResourceExhausted without descriptors.
absl::StatusOr<int> MakeKeyPipe(absl::string_view key);

/// All that `fd` gives until its end, exactly; closes it. kInvalidArgument when that is more than
/// kMostKeyBytes; kFailedPrecondition when it cannot be read.
absl::StatusOr<std::string> ReadKeyPipe(int fd);

/// From now on this process leaves no core dump, and no other process of its user may look into its
/// memory or its environment (for debugging: gdb as root, or a build with this call taken out).
void ForbidDumps();

/// Overwrites the bytes of `text` and makes it empty.
void Wipe(std::string& text);

}  // namespace trainyard::worker
