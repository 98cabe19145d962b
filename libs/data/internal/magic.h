#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace trainyard::data::internal {

/// What a file that is no picture we read seems to be, by its first bytes: "a WebP picture", "a
/// text file", "zero bytes only"; "" when it is not known.
std::string GuessFileKind(absl::string_view bytes);

}  // namespace trainyard::data::internal
