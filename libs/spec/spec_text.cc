#include "libs/spec/internal/spec_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/base/utf8.h"

namespace trainyard::spec::internal {
namespace {

// What people and programs put where a text format wants ASCII.
struct Sign {
  uint32_t code;
  absl::string_view name;
  char meant;  // 0: nothing that could stand for it
};

constexpr Sign kSigns[] = {
    {0x00A0, "a no-break space", ' '},
    {0x00AD, "a soft hyphen", ' '},
    {0x00D7, "a multiplication sign", 0},
    {0x2007, "a figure space", ' '},
    {0x2009, "a thin space", ' '},
    {0x200B, "a zero-width space", ' '},
    {0x200C, "a zero-width sign", ' '},
    {0x200D, "a zero-width sign", ' '},
    {0x200E, "a direction mark", ' '},
    {0x200F, "a direction mark", ' '},
    {0x2010, "a hyphen", '-'},
    {0x2011, "a hyphen", '-'},
    {0x2012, "a dash", '-'},
    {0x2013, "a dash", '-'},
    {0x2014, "a dash", '-'},
    {0x2018, "a curly quote", '\''},
    {0x2019, "a curly quote", '\''},
    {0x201A, "a low quote", '\''},
    {0x201C, "a curly quote", '"'},
    {0x201D, "a curly quote", '"'},
    {0x201E, "a low quote", '"'},
    {0x2026, "an ellipsis", 0},
    {0x2028, "a line separator", ' '},
    {0x202F, "a narrow no-break space", ' '},
    {0x2212, "a minus sign", '-'},
    {0x3000, "a full-width space", ' '},
    {0xFEFF, "a byte order mark", ' '},
    {0xFF02, "a full-width quote", '"'},
    {0xFF07, "a full-width quote", '\''},
    {0xFF08, "a full-width bracket", 0},
    {0xFF09, "a full-width bracket", 0},
    {0xFF0C, "a full-width comma", ','},
    {0xFF1A, "a full-width colon", ':'},
    {0xFF1B, "a full-width semicolon", ';'},
    {0xFF5B, "a full-width bracket", '{'},
    {0xFF5D, "a full-width bracket", '}'},
};

const Sign* FindSign(uint32_t code) {
  const auto* found = std::find_if(std::begin(kSigns), std::end(kSigns),
                                   [code](const Sign& sign) { return sign.code == code; });
  return found == std::end(kSigns) ? nullptr : found;
}

bool IsQuote(const Sign* sign) {
  return sign != nullptr && (sign->meant == '"' || sign->meant == '\'');
}

// One letter beyond ASCII at the head of a text. Bytes that are no UTF-8 are letters of their own.
struct Letter {
  size_t bytes;
  uint32_t code;
  bool is_utf8;
};

Letter ReadLetter(absl::string_view text) {
  const size_t length = Utf8Length(text);
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (length == 0) return {1, byte(0), false};
  uint32_t code = length == 1 ? byte(0) : byte(0) & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
  return {length, code, true};
}

// "UTF-16", "UTF-32" or "": by the byte order mark, or by the zero bytes of its ASCII letters.
absl::string_view WideEncoding(absl::string_view text) {
  using std::string_view_literals::operator""sv;
  const auto begins = [text](std::string_view mark) {
    return absl::StartsWith(text, absl::string_view(mark.data(), mark.size()));
  };
  if (begins("\xFF\xFE\0\0"sv) || begins("\0\0\xFE\xFF"sv)) return "UTF-32";
  if (begins("\xFF\xFE"sv) || begins("\xFE\xFF"sv)) return "UTF-16";
  const absl::string_view head = text.substr(0, 4096);
  const auto zeros = static_cast<size_t>(std::count(head.begin(), head.end(), '\0'));
  if (head.size() >= 4 && zeros * 2 > head.size()) return "UTF-32";
  if (head.size() >= 4 && zeros * 3 > head.size()) return "UTF-16";
  return "";
}

// \n for \r\n and for \r alone. In a text of Windows each line loses its last byte, which moves no
// place of another one.
std::string WithPlainLineEnds(absl::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      plain.push_back(text[i]);
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      plain.push_back('\n');
    }
  }
  return plain;
}

// Goes through a text once and mends it in place.
class Mender {
 public:
  Mender(std::string* text, std::vector<TextProblem>* problems)
      : text_(*text), problems_(problems) {}

  void Run() {
    while (at_ < text_.size()) {
      const char letter = text_[at_];
      if (letter == '#') {
        SkipTo(text_.find('\n', at_));
      } else if (letter == '"' || letter == '\'') {
        Quoted(letter);
      } else if (static_cast<unsigned char>(letter) >= 0x80) {
        Bare();
      } else {
        Advance(1);
      }
    }
    if (left_out_ > 0) {
      problems_->push_back({last_line_, last_column_,
                            absl::StrCat("and ", left_out_, " more letters that are not ASCII")});
    }
  }

 private:
  void Advance(size_t bytes) {
    for (; bytes > 0; --bytes, ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
        column_ = 0;
      } else if (text_[at_] == '\t') {
        column_ += 8 - column_ % 8;
      } else {
        ++column_;
      }
    }
  }
  void SkipTo(size_t place) { Advance(std::min(place, text_.size()) - at_); }

  void Complain(std::string message) {
    if (named_ == kMostLetterProblems) {
      ++left_out_;
      last_line_ = line_;
      last_column_ = column_;
      return;
    }
    ++named_;
    problems_->push_back({line_, column_, std::move(message)});
  }

  // The end of the line that begins at `from`.
  size_t LineEnd(size_t from) const { return std::min(text_.find('\n', from), text_.size()); }

  // A text in plain quotes. One that does not end in its line, but has a curly quote in it, was
  // meant to end there.
  void Quoted(char quote) {
    const size_t line_end = LineEnd(at_);
    for (size_t i = at_ + 1; i < line_end; ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        return SkipTo(i + 1);
      }
    }
    const Curly closer = FindCurly(at_ + 1, line_end);
    if (closer.bytes > 0) {
      Complain(
          absl::StrFormat("the text that begins here ends with %s, which is no quote; write %c",
                          NameOf(closer.letter), quote));
      Put(closer.at, closer.bytes, quote, /*first=*/true);
      return SkipTo(closer.at + closer.bytes);
    }
    SkipTo(line_end);
  }

  struct Curly {
    size_t at = 0, bytes = 0;
    Letter letter = {};
  };
  // The first letter between two places that is a quote beyond ASCII.
  Curly FindCurly(size_t from, size_t end) const {
    for (size_t i = from; i < end;) {
      const Letter letter = ReadLetter(absl::string_view(text_).substr(i));
      if (letter.is_utf8 && IsQuote(FindSign(letter.code))) return {i, letter.bytes, letter};
      i += letter.bytes;
    }
    return {};
  }

  static std::string NameOf(const Letter& letter) {
    if (!letter.is_utf8) return absl::StrFormat("the byte 0x%02X, which is not UTF-8", letter.code);
    const Sign* sign = FindSign(letter.code);
    return absl::StrFormat("U+%04X%s", letter.code,
                           sign == nullptr ? "" : absl::StrCat(" (", sign->name, ")"));
  }

  // `bytes` bytes at `at` become one letter and blanks, behind it or before it.
  void Put(size_t at, size_t bytes, char letter, bool first) {
    std::fill_n(text_.begin() + static_cast<std::ptrdiff_t>(at), bytes, ' ');
    text_[first ? at : at + bytes - 1] = letter;
  }

  // Whether "1e" or "2.5E" ends here. Blanks behind it would end the number.
  bool IsExponentOpen() const {
    return at_ > 1 && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') &&
           (absl::ascii_isdigit(text_[at_ - 2]) || text_[at_ - 2] == '.');
  }

  // Moves the part of a number that ends here over the next `bytes` bytes but the last.
  void CloseUp(size_t bytes) {
    size_t begin = at_;
    while (begin > 0 && (absl::ascii_isalnum(text_[begin - 1]) || text_[begin - 1] == '.')) --begin;
    text_.insert(begin, bytes - 1, ' ');
    text_.erase(at_ + bytes - 1, bytes - 1);
  }

  // A letter beyond ASCII that stands outside of quotes and comments.
  void Bare() {
    const absl::string_view rest = absl::string_view(text_).substr(at_);
    const Letter letter = ReadLetter(rest);
    const Sign* sign = letter.is_utf8 ? FindSign(letter.code) : nullptr;
    if (IsQuote(sign)) return CurlyText(letter, sign->meant);
    const std::string shown = letter.is_utf8 && sign == nullptr
                                  ? absl::StrCat("'", rest.substr(0, letter.bytes), "' ")
                                  : "";
    const std::string meant = sign == nullptr || sign->meant == 0
                                  ? "only ASCII stands outside of quotes"
                              : sign->meant == ' ' ? "write a plain space"
                                                   : absl::StrFormat("write %c", sign->meant);
    // A word of such letters is one problem.
    size_t bytes = letter.bytes;
    while (sign == nullptr && bytes < rest.size() &&
           static_cast<unsigned char>(rest[bytes]) >= 0x80) {
      const Letter next = ReadLetter(rest.substr(bytes));
      if (next.is_utf8 && FindSign(next.code) != nullptr) break;
      bytes += next.bytes;
    }
    Complain(absl::StrCat("found ", shown, NameOf(letter), "; ", meant));
    const char meant_letter = sign == nullptr || sign->meant == 0 ? ' ' : sign->meant;
    if (meant_letter == '-' && IsExponentOpen()) {
      CloseUp(bytes);
      text_[at_ + bytes - 1] = meant_letter;
    } else {
      Put(at_, bytes, meant_letter, /*first=*/true);
    }
    Advance(bytes);
  }

  // A text in curly quotes; its end is another curly one, or a plain one, in the same line.
  void CurlyText(const Letter& opener, char quote) {
    const size_t begin = at_, line_end = LineEnd(at_);
    Complain(absl::StrFormat("found %s, which is no quote; write %c", NameOf(opener), quote));
    const size_t plain = std::min(text_.find(quote, begin + opener.bytes), line_end);
    const Curly curly = FindCurly(begin + opener.bytes, plain);
    Put(begin, opener.bytes, quote, /*first=*/false);
    if (curly.bytes > 0) Put(curly.at, curly.bytes, quote, /*first=*/true);
    if (curly.bytes == 0 && plain == line_end) {
      // It has no end: not a text after all.
      Put(begin, opener.bytes, ' ', true);
      return Advance(opener.bytes);
    }
    SkipTo(curly.bytes > 0 ? curly.at + curly.bytes : plain + 1);
  }

  std::string& text_;
  std::vector<TextProblem>* problems_;
  size_t at_ = 0;
  int line_ = 0, column_ = 0;
  int named_ = 0, left_out_ = 0, last_line_ = 0, last_column_ = 0;
};

}  // namespace

std::string ReadableText(absl::string_view text, std::vector<TextProblem>* problems) {
  const absl::string_view wide = WideEncoding(text);
  if (!wide.empty()) {
    problems->push_back(
        {0, 0, absl::StrCat("the text is in ", wide, "; save it in UTF-8 or ASCII")});
    return "";
  }
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // a byte order mark
  std::string readable = WithPlainLineEnds(text);
  Mender(&readable, problems).Run();
  return readable;
}

}  // namespace trainyard::spec::internal
