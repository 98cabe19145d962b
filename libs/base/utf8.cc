#include "libs/base/utf8.h"

namespace trainyard {

size_t Utf8Length(absl::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char head = byte(0);
  const size_t length = head < 0x80                   ? 1
                        : head >= 0xC2 && head < 0xE0 ? 2
                        : head >= 0xE0 && head < 0xF0 ? 3
                        : head >= 0xF0 && head < 0xF5 ? 4
                                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond Unicode.
  if (head == 0xE0 && byte(1) < 0xA0) return 0;
  if (head == 0xED && byte(1) > 0x9F) return 0;
  if (head == 0xF0 && byte(1) < 0x90) return 0;
  if (head == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace trainyard
