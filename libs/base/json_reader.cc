#include "libs/base/json_reader.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr uint32_t kReplacement = 0xFFFD;

void AppendUtf8(uint32_t code, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | (code >> shift & 0x3F)));
  };
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | code >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool IsHighHalf(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLowHalf(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

JsonReader::JsonReader(absl::string_view text) : text_(text) {
  if (absl::StartsWith(text_, kByteOrderMark)) at_ = kByteOrderMark.size();
}

absl::Status JsonReader::FailAt(size_t place, absl::string_view text) const {
  const absl::string_view before = text_.substr(0, place);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t begin = before.rfind('\n');
  const size_t column = begin == before.npos ? place + 1 : place - begin;
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ", column ", column, ": ", text));
}

absl::Status JsonReader::Fail(absl::string_view text) {
  SkipBlanks();
  return FailAt(at_, text);
}

absl::Status JsonReader::Expected(absl::string_view what) {
  SkipBlanks();
  if (at_ >= text_.size()) return Fail(absl::StrCat("the text ends; expected ", what));
  return Fail(absl::StrCat("expected ", what, ", found '", Shown(text_.substr(at_, 12)), "'"));
}

void JsonReader::SkipBlanks() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' ||
                                text_[at_] == '\r')) {
    ++at_;
  }
}

bool JsonReader::Take(char c) {
  SkipBlanks();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

absl::StatusOr<JsonReader::Kind> JsonReader::Next() {
  SkipBlanks();
  const char c = at_ < text_.size() ? text_[at_] : '\0';
  if (c == '{') return Kind::kObject;
  if (c == '[') return Kind::kArray;
  if (c == '"') return Kind::kString;
  if (c == 't' || c == 'f') return Kind::kBool;
  if (c == 'n') return Kind::kNull;
  if (c == '-' || absl::ascii_isdigit(static_cast<unsigned char>(c))) return Kind::kNumber;
  return Expected("a value");
}

absl::Status JsonReader::Enter() {
  if (++depth_ <= kMaxDepth) return absl::OkStatus();
  return Fail(absl::StrCat("more than ", kMaxDepth, " objects and arrays lie in each other"));
}

absl::Status JsonReader::Close(char bracket) {
  if (!Take(bracket)) return Expected(absl::StrCat("',' or '", std::string(1, bracket), "'"));
  --depth_;
  return absl::OkStatus();
}

absl::Status JsonReader::Object(
    absl::FunctionRef<absl::Status(absl::string_view name)> member) {
  if (!Take('{')) return Expected("an object");
  TY_RETURN_IF_ERROR(Enter());
  SkipBlanks();
  if (at_ < text_.size() && text_[at_] == '}') return Close('}');
  do {
    absl::string_view name;
    SkipBlanks();
    TY_RETURN_IF_ERROR(ReadString(&name));
    if (!Take(':')) return Expected("':'");
    TY_RETURN_IF_ERROR(member(name));
  } while (Take(','));
  return Close('}');
}

absl::Status JsonReader::Array(absl::FunctionRef<absl::Status()> element) {
  if (!Take('[')) return Expected("an array");
  TY_RETURN_IF_ERROR(Enter());
  SkipBlanks();
  if (at_ < text_.size() && text_[at_] == ']') return Close(']');
  do {
    TY_RETURN_IF_ERROR(element());
  } while (Take(','));
  return Close(']');
}

absl::Status JsonReader::ReadString(absl::string_view* found) {
  if (!Take('"')) return Expected("a string");
  const size_t begin = at_;
  const size_t end = text_.find_first_of("\"\\", begin);
  if (end == text_.npos) return FailAt(begin - 1, "the string has no end");
  if (text_[end] == '"') {
    *found = text_.substr(begin, end - begin);
    at_ = end + 1;
    return absl::OkStatus();
  }
  decoded_.assign(text_.data() + begin, end - begin);
  at_ = end;
  TY_RETURN_IF_ERROR(DecodeRest(begin));
  *found = decoded_;
  return absl::OkStatus();
}

// From the first escape on.
absl::Status JsonReader::DecodeRest(size_t begin) {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      ++at_;
      return absl::OkStatus();
    }
    if (c == '\\') {
      TY_RETURN_IF_ERROR(DecodeEscape());
    } else {
      decoded_.push_back(c);
      ++at_;
    }
  }
  return FailAt(begin - 1, "the string has no end");
}

absl::Status JsonReader::DecodeEscape() {
  constexpr absl::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
  const char letter = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
  const size_t plain = letter == '\0' ? kLetters.npos : kLetters.find(letter);
  if (plain != kLetters.npos) {
    decoded_.push_back(kMeant[plain]);
    at_ += 2;
    return absl::OkStatus();
  }
  if (letter != 'u') return FailAt(at_, "there is no such escape in a string of JSON");
  uint32_t unit = 0;
  TY_RETURN_IF_ERROR(ReadHex(&unit));
  if (IsHighHalf(unit) && text_.substr(at_, 2) == "\\u") {
    const size_t second = at_;
    uint32_t low = 0;
    TY_RETURN_IF_ERROR(ReadHex(&low));
    if (IsLowHalf(low)) {
      AppendUtf8(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), &decoded_);
      return absl::OkStatus();
    }
    at_ = second;
  }
  AppendUtf8(IsHighHalf(unit) || IsLowHalf(unit) ? kReplacement : unit, &decoded_);
  return absl::OkStatus();
}

// Of \uXXXX at `at_`.
absl::Status JsonReader::ReadHex(uint32_t* unit) {
  const absl::string_view digits = text_.substr(at_ + 2, 4);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), *unit, 16);
  if (digits.size() != 4 || error != std::errc() || end != digits.data() + 4) {
    return FailAt(at_, "expected four hexadecimal digits after \\u");
  }
  at_ += 6;
  return absl::OkStatus();
}

absl::StatusOr<std::string> JsonReader::String() {
  absl::string_view found;
  SkipBlanks();
  TY_RETURN_IF_ERROR(ReadString(&found));
  return std::string(found);
}

absl::StatusOr<double> JsonReader::Number() {
  SkipBlanks();
  const char* const begin = text_.data() + at_;
  const char* const last = text_.data() + text_.size();
  const char* digit = begin < last && *begin == '-' ? begin + 1 : begin;
  if (digit == last || !absl::ascii_isdigit(static_cast<unsigned char>(*digit))) {
    return Expected("a number");
  }
  double value = 0;
  const auto [end, error] = std::from_chars(begin, last, value);
  if (error == std::errc::result_out_of_range) return Fail("the number is out of range");
  if (error != std::errc()) return Expected("a number");
  at_ += static_cast<size_t>(end - begin);
  return value;
}

absl::StatusOr<bool> JsonReader::Bool() {
  SkipBlanks();
  for (const auto& [word, value] : {std::pair<absl::string_view, bool>("true", true),
                                    std::pair<absl::string_view, bool>("false", false)}) {
    if (!absl::StartsWith(text_.substr(at_), word)) continue;
    at_ += word.size();
    return value;
  }
  return Expected("true or false");
}

absl::Status JsonReader::Skip() {
  TY_ASSIGN_OR_RETURN(const Kind kind, Next());
  absl::string_view ignored;
  switch (kind) {
    case Kind::kString:
      return ReadString(&ignored);
    case Kind::kNumber:
      return Number().status();
    case Kind::kBool:
      return Bool().status();
    case Kind::kNull:
      if (!absl::StartsWith(text_.substr(at_), "null")) return Expected("a value");
      at_ += 4;
      return absl::OkStatus();
    case Kind::kObject:
    case Kind::kArray:
      return SkipNested();
  }
  return absl::OkStatus();
}

// Without recursion, and without a look at what is neither bracket nor string: most of a large
// file is outlines that nobody asks for.
absl::Status JsonReader::SkipNested() {
  std::string open;
  while (true) {
    at_ = text_.find_first_of("\"[]{}", at_);
    if (at_ == text_.npos) {
      at_ = text_.size();
      return Expected("the end of an object or array");
    }
    const char c = text_[at_];
    if (c == '"') {
      absl::string_view ignored;
      TY_RETURN_IF_ERROR(ReadString(&ignored));
      continue;
    }
    if (c == '[' || c == '{') {
      open.push_back(c == '[' ? ']' : '}');
      if (depth_ + static_cast<int>(open.size()) > kMaxDepth) {
        return Fail(absl::StrCat("more than ", kMaxDepth, " objects and arrays lie in each other"));
      }
    } else {
      if (c != open.back()) return Expected(absl::StrCat("'", std::string(1, open.back()), "'"));
      open.pop_back();
    }
    ++at_;
    if (open.empty()) return absl::OkStatus();
  }
}

absl::Status JsonReader::End() {
  SkipBlanks();
  return at_ == text_.size() ? absl::OkStatus() : Expected("the end of the text");
}

}  // namespace trainyard
