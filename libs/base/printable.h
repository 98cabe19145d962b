#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace trainyard {

/// `text` as it may be shown on a terminal and put into a protobuf string: UTF-8 that steers
/// nothing. Bytes that are not UTF-8 become \xNN; control characters (zero bytes and ESC among
/// them) become \xNN, or \r; signs that cannot be seen or turn the direction of writing (U+200B,
/// U+202E, a byte order mark) become \uNNNN. Line breaks and tabs stay, for messages have lines.
/// What is printable already comes back as it is.
std::string Printable(absl::string_view text);

/// A piece of a user's text inside a message, between quotes: Printable with line breaks and tabs
/// escaped too, and cut, with "..." at its end, when that is longer than `most` bytes.
std::string Shown(absl::string_view text, size_t most = 80);

}  // namespace trainyard
