#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"

namespace trainyard::cli {

/// What the fields of a request are called on a command line: "stage.inputs[model]" -> "-m".
using FlagWords = std::map<std::string, std::string>;

/// `failure` of a call with the fields of the request replaced by the flags that the user typed.
/// Code and payloads stay.
absl::Status InFlagWords(const absl::Status& failure, const FlagWords& words);

}  // namespace trainyard::cli
