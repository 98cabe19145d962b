#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// The lines of a text file, without their ends, whichever of \n, \r\n and \r (old Macs) they are;
/// a UTF-8 byte order mark is left out. As Python's universal newlines. They refer to `text`.
std::vector<absl::string_view> TextLines(absl::string_view text);

/// Why the bytes of a file are no text that can be read a byte a letter: "is UTF-16 ...", "is
/// UTF-32 ...", with what to do; "" when they may be.
std::string WideEncoding(absl::string_view bytes);

/// The columns of a line: what stands between blanks, as Python's str.split() has them, so that
/// the blanks of Unicode (no-break space, full-width space) separate as well. They refer to `line`.
std::vector<absl::string_view> SplitAtBlanks(absl::string_view line);

/// The names that a file lists, one a line: blank lines and blanks around names are left out.
/// kInvalidArgument for a text in UTF-16 and, naming them, for lines that are not UTF-8.
absl::StatusOr<std::vector<std::string>> ParseNameList(absl::string_view text);

}  // namespace trainyard
