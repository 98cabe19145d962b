#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::service {

/// Whether `key` names where the key lies (`env:NAME`, `file:PATH`) and so may be stored.
bool IsKeyReference(absl::string_view key);

/// The key itself: of `env:NAME`, of `file:PATH` (without a final newline), or `key` as it stands.
/// "" stays "". What it returns is a registered secret (libs/base/log.h). kFailedPrecondition when
/// the variable is not set or the file cannot be read or is empty; the message names the reference.
absl::StatusOr<std::string> ResolveKey(const std::string& key);

}  // namespace trainyard::service
