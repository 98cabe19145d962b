#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace trainyard::orchestrator {

/// The name-based UUID of RFC 4122, section 4.3, version 5 (SHA-1). `name_space` is a UUID in its text
/// form; aborts when it is none. Pure.
std::string Uuid5(absl::string_view name_space, absl::string_view name);

/// The request_id of one attempt of a stage: the same after a restart, so that a service that has the
/// operation already answers with it.
std::string StageRequestId(absl::string_view run, absl::string_view stage, int attempt);

}  // namespace trainyard::orchestrator
