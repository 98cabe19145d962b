#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trainyard {

/// A cell as Python's csv module writes it, from which TAO's logs come: in quotes where it needs them.
std::string CsvCell(absl::string_view text);

/// The cells of a line, which is given without its line break. Never empty.
std::vector<std::string> SplitCsv(absl::string_view line);

}  // namespace trainyard
