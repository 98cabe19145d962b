#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace trainyard {

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, since JSON has
/// no other way; control characters are escaped, so that the result is one line.
std::string JsonText(absl::string_view text);

/// A JSON number in the shortest form that reads back the same; `null` when it is not finite.
std::string JsonNumber(double value);

/// Names and values of a JSON object; the values are JSON already.
using JsonMembers = std::vector<std::pair<std::string, std::string>>;
/// `{"name": value, ...}` in one line.
std::string JsonObject(const JsonMembers& members);

}  // namespace trainyard
