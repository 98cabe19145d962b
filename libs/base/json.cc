#include "libs/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/utf8.h"

namespace trainyard {
namespace {

void AppendCharacter(absl::string_view character, std::string* out) {
  const auto c = static_cast<unsigned char>(character[0]);
  if (c == '"' || c == '\\') {
    absl::StrAppend(out, "\\", character);
  } else if (c == '\n') {
    *out += "\\n";
  } else if (c == '\t') {
    *out += "\\t";
  } else if (c == '\r') {
    *out += "\\r";
  } else if (c < 0x20 || c == 0x7F) {
    absl::StrAppendFormat(out, "\\u%04x", c);
  } else {
    absl::StrAppend(out, character);
  }
}

}  // namespace

std::string JsonText(absl::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) {
      quoted += "\\ufffd";
    } else {
      AppendCharacter(text.substr(0, length), &quoted);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return quoted + "\"";
}

std::string JsonNumber(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

std::string JsonObject(const JsonMembers& members) {
  return absl::StrCat("{",
                      absl::StrJoin(members, ", ",
                                    [](std::string* out, const auto& member) {
                                      absl::StrAppend(out, JsonText(member.first), ": ",
                                                      member.second);
                                    }),
                      "}");
}

}  // namespace trainyard
