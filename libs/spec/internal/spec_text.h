#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trainyard::spec::internal {

/// Something wrong with the letters of a text, below its grammar.
struct TextProblem {
  int line, column;  // from 0, as protobuf's Tokenizer counts: a tab ends at a multiple of 8
  std::string message;
};

/// A text as the tokenizer should see it, with one problem for each cause:
///
/// * A byte order mark is dropped; line ends of Windows and of old Macs become \n.
/// * UTF-16 and UTF-32 are one problem, and the text is empty then.
/// * Outside of quotes and comments, a letter that is not ASCII is one problem that names it
///   (U+00A0); blanks of other kinds become blanks and curly quotes become quotes, so that the
///   fields are read all the same. At most `kMostLetterProblems` are named; the last one counts
///   the rest.
///
/// Places in the result are those of `text`: no byte is added or removed within a line.
constexpr int kMostLetterProblems = 20;
std::string ReadableText(absl::string_view text, std::vector<TextProblem>* problems);

}  // namespace trainyard::spec::internal
