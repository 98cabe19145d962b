#include "libs/base/printable.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/utf8.h"

namespace trainyard {
namespace {

// The code point of a well-formed sequence.
uint32_t CodeOf(absl::string_view character) {
  const auto byte = [character](size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return byte(0);
  uint32_t code = byte(0) & (0xFFu >> (character.size() + 1));
  for (size_t i = 1; i < character.size(); ++i) code = code << 6 | (byte(i) & 0x3Fu);
  return code;
}

bool IsUnseen(uint32_t code) {
  return (code >= 0x80 && code < 0xA0) || code == 0xAD || code == 0x61C || code == 0x180E ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB);
}

// Takes the first character of a text, or the first byte of one that is not UTF-8.
absl::string_view Take(absl::string_view& text) {
  const absl::string_view character = text.substr(0, std::max<size_t>(1, Utf8Length(text)));
  text.remove_prefix(character.size());
  return character;
}

// What stands for one character that Take gave.
std::string Piece(absl::string_view character) {
  if (Utf8Length(character) == 0) {
    return absl::StrFormat("\\x%02x", static_cast<unsigned char>(character[0]));
  }
  const uint32_t code = CodeOf(character);
  if (code == '\n') return "\\n";
  if (code == '\t') return "\\t";
  if (code == '\r') return "\\r";
  if (code < 0x20 || code == 0x7F) return absl::StrFormat("\\x%02x", code);
  return IsUnseen(code) ? absl::StrFormat("\\u%04x", code) : std::string(character);
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const absl::string_view character = Take(text);
    const bool breaks = character == "\n" || character == "\t";
    absl::StrAppend(&out, breaks ? std::string(character) : Piece(character));
  }
  return out;
}

std::string Shown(absl::string_view text, size_t most) {
  std::string out;
  while (!text.empty()) {
    const std::string piece = Piece(Take(text));
    if (out.size() + piece.size() > most) return out + "...";
    out += piece;
  }
  return out;
}

}  // namespace trainyard
