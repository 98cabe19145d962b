#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace trainyard {

/// Bytes of the UTF-8 sequence at the head of `text`: 1 to 4; 0 when `text` is empty or its head is
/// malformed (cut short, overlong, a surrogate, beyond U+10FFFF). Source: RFC 3629.
size_t Utf8Length(absl::string_view text);

/// Whether all of `text` is UTF-8.
bool IsUtf8(absl::string_view text);

}  // namespace trainyard
