#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::orchestrator {

/// Reads the first document of a YAML text whose size, depth and number of nodes are held against
/// limits.h before anything is built from it. `file` is the name that errors have.
///
/// kInvalidArgument, with file:line:column, for text that is no YAML, and for text that passes a limit,
/// which the message names.
absl::StatusOr<YAML::Node> LoadYaml(absl::string_view text, absl::string_view file);

}  // namespace trainyard::orchestrator
