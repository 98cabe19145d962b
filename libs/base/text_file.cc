#include "libs/base/text_file.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"

namespace trainyard {
namespace {

using std::string_view_literals::operator""sv;

// Beyond ASCII: the characters that Python's str.isspace() takes.
constexpr absl::string_view kWideBlanks[] = {
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
    "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
    "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
    "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

bool IsBlank(absl::string_view character) {
  if (character.size() == 1) {
    const char c = character[0];
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
  }
  return std::find(std::begin(kWideBlanks), std::end(kWideBlanks), character) !=
         std::end(kWideBlanks);
}

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::vector<absl::string_view> TextLines(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  std::vector<absl::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find_first_of("\r\n");
    lines.push_back(text.substr(0, end));
    if (end == absl::string_view::npos) break;
    const bool both = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
    text.remove_prefix(end + (both ? 2 : 1));
  }
  return lines;
}

std::string WideEncoding(absl::string_view bytes) {
  const auto begins = [bytes](std::string_view mark) {
    return absl::StartsWith(bytes, View(mark));
  };
  // Without a mark: ASCII in UTF-16 is every second byte 0.
  const absl::string_view head = bytes.substr(0, 4096);
  const auto zeros = static_cast<size_t>(std::count(head.begin(), head.end(), '\0'));
  const bool wide = begins("\xFF\xFE\0\0"sv) || begins("\0\0\xFE\xFF"sv) ||
                    (head.size() >= 8 && zeros * 3 > head.size() * 2);
  const bool is_16 = begins("\xFF\xFE"sv) || begins("\xFE\xFF"sv) ||
                     (head.size() >= 8 && zeros * 5 > head.size() * 2 && zeros < head.size());
  if (zeros == head.size() || (!wide && !is_16)) return "";
  return absl::StrCat("is text in ", wide ? "UTF-32" : "UTF-16",
                      " (as some editors and shells of Windows save it); save it as UTF-8");
}

std::vector<absl::string_view> SplitAtBlanks(absl::string_view line) {
  std::vector<absl::string_view> columns;
  size_t begin = 0;
  for (size_t at = 0; at <= line.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(line.substr(at)));
    const bool is_end = at == line.size();
    if (is_end || IsBlank(line.substr(at, length))) {
      if (at > begin) columns.push_back(line.substr(begin, at - begin));
      begin = at + length;
    }
    at += length;
  }
  return columns;
}

absl::StatusOr<std::vector<std::string>> ParseNameList(absl::string_view text) {
  if (const std::string wide = WideEncoding(text); !wide.empty()) {
    return absl::InvalidArgumentError(wide);
  }
  Problems problems;
  std::vector<std::string> names;
  int number = 0;
  for (absl::string_view line : TextLines(text)) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (!IsUtf8(line)) {
      problems.Add(absl::StrCat("line ", number), "is '%s', which is not UTF-8", Shown(line));
    } else if (!line.empty()) {
      names.emplace_back(line);
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return names;
}

}  // namespace trainyard
