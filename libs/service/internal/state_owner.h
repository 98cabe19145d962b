#pragma once

#include <string>

#include "absl/status/status.h"

namespace trainyard::service {

/// Whether a state folder is this service's, or nobody's yet: its file `service` says whose it is.
/// kFailedPrecondition names the service whose it is. Changes nothing.
absl::Status CheckStateOwner(const std::string& state_dir, const std::string& service);

/// CheckStateOwner, and writes the file when there is none. Call it with the folder's lock held.
absl::Status ClaimStateDir(const std::string& state_dir, const std::string& service);

}  // namespace trainyard::service
