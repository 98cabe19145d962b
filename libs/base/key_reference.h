#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Whether `key` names where the key lies (`env:NAME`, `file:PATH`) and so may be stored.
bool IsKeyReference(absl::string_view key);

/// The key that `env:NAME` or `file:PATH` names, or `key` as it stands ("" stays ""). Of a file it
/// is the first line; a second one is warned of in the log. kFailedPrecondition when the variable
/// is not set or the file cannot be read or begins with an empty line; the message names the
/// reference, never the key. The one place that reads references; service::ResolveKey is for those
/// who keep a key, as it keeps it out of logs and messages too.
absl::StatusOr<std::string> ReadKey(absl::string_view key);

}  // namespace trainyard
