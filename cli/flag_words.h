#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trainyard::cli {

/// What the fields of a request are called on a command line: "stage.inputs[model]" -> "-m".
using FlagWords = std::map<std::string, std::string>;

/// `text` of a service in the words of the command line: fields, and what else `words` has.
std::string InFlagWords(absl::string_view text, const FlagWords& words);

/// `failure` of a call with the fields of the request replaced by the flags that the user typed.
/// Code and payloads stay.
absl::Status InFlagWords(const absl::Status& failure, const FlagWords& words);

}  // namespace trainyard::cli
