#include "libs/spec/text_format.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/spec/internal/text_parser.h"

namespace trainyard {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxProblems = 1000;

// decisions.md A19, as far as it concerns spec files.
constexpr FieldAlias kAliases[] = {
    {"COCOConfig", "image_dir_names", "img_dir_names"},
    {"NMSConfig", "cluster_iou_threshold", "clustering_iou_threshold"},
};

}  // namespace

absl::Span<const FieldAlias> Aliases() { return kAliases; }

absl::Status ParseTextFormat(absl::string_view text, absl::string_view file_name,
                             google::protobuf::Message* message, std::vector<std::string>* warnings,
                             FieldPlaces* places) {
  Problems problems;
  internal::ParseTextFormatInto(text, file_name, message, warnings, places, &problems);
  return problems.ToStatus();
}

namespace internal {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::io::Tokenizer;

// Collects what the tokenizer finds wrong: texts that do not end, letters that no token begins
// with.
class TokenErrors : public google::protobuf::io::ErrorCollector {
 public:
  struct Error {
    int line, column;
    std::string message;
  };
  void AddError(int line, int column, const std::string& message) override {
    errors_.push_back({line, column, message});
  }
  const std::vector<Error>& errors() const { return errors_; }

 private:
  std::vector<Error> errors_;
};

// The tokenizer's messages in the form of ours: lower case, no final dot.
std::string InOurForm(std::string message) {
  if (!message.empty()) message[0] = absl::ascii_tolower(message[0]);
  if (!message.empty() && message.back() == '.') message.pop_back();
  return message;
}

std::string OneOf(const EnumDescriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
  return absl::StrCat(names.size() > 1 ? "one of " : "", absl::StrJoin(names, ", "));
}

template <typename T>
std::string RangeOf() {
  return absl::StrCat("a whole number from ", std::numeric_limits<T>::min(), " to ",
                      std::numeric_limits<T>::max());
}

}  // namespace

const FieldDescriptor* FindField(const Descriptor* type, absl::string_view name) {
  const FieldDescriptor* field = type->FindFieldByName(std::string(name));
  if (field != nullptr) return field;
  for (const FieldAlias& alias : kAliases) {
    if (alias.message == type->name() && alias.alias == name) {
      return type->FindFieldByName(std::string(alias.field));
    }
  }
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  for (const FieldAlias& alias : kAliases) {
    if (alias.message == type->name()) names.emplace_back(alias.alias);
  }
  return names;
}

std::string JoinField(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

std::string IndexedPath(absl::string_view path, int index) {
  return absl::StrCat(path, "[", index, "]");
}

std::string MapPath(absl::string_view path, const Message& entry) {
  const FieldDescriptor* key = entry.GetDescriptor()->map_key();
  const Reflection* reflection = entry.GetReflection();
  switch (key->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(path, "[", reflection->GetInt32(entry, key), "]");
    default:
      return absl::StrCat(path, "[\"", absl::Utf8SafeCEscape(reflection->GetString(entry, key)),
                          "\"]");
  }
}

int FindMapEntry(const Message& message, const FieldDescriptor* field, const Message& entry,
                 int except) {
  const std::string wanted = MapPath("", entry);
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (i != except && MapPath("", reflection->GetRepeatedMessage(message, field, i)) == wanted) {
      return i;
    }
  }
  return -1;
}

bool IsSecret(const FieldDescriptor* field) {
  return field->full_name() == "trainyard.spec.common.v1.WandBConfig.key";
}

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80       ? 0
                     : lead >> 5 == 6  ? 1
                     : lead >> 4 == 14 ? 2
                     : lead >> 3 == 30 ? 3
                                       : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    uint32_t code = more == 0 ? lead : lead & (0x3F >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<size_t>(k)]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 0x3F);
    }
    // Overlong forms, surrogates, beyond Unicode.
    constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += static_cast<size_t>(more) + 1;
  }
  return true;
}

void ParseTextFormatInto(absl::string_view text, absl::string_view file_name, Message* message,
                         std::vector<std::string>* warnings, FieldPlaces* places,
                         Problems* problems) {
  FieldPlaces own_places;
  TextParser parser(text, file_name, "", warnings, places == nullptr ? &own_places : places,
                    problems);
  parser.ParseMessage(message);
}

TextParser::TextParser(absl::string_view text, absl::string_view file_name, absl::string_view place,
                       std::vector<std::string>* warnings, FieldPlaces* places, Problems* problems)
    : file_name_(file_name),
      place_(place),
      warnings_(warnings),
      places_(places),
      problems_(problems) {
  ReadTokens(text);
}

void TextParser::ReadTokens(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");  // a byte order mark
  Token end{.type = Tokenizer::TYPE_END, .text = "", .line = 0, .column = 0, .end_column = 0};
  if (text.size() > kMaxBytes) {
    Complain(end, "",
             absl::StrFormat("the text has %d bytes; expected at most %d", text.size(), kMaxBytes));
    tokens_.push_back(end);
    return;
  }
  TokenErrors errors;
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  Tokenizer tokenizer(&stream, &errors);
  tokenizer.set_allow_f_after_float(true);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokenizer.set_require_space_after_number(false);
  while (tokenizer.Next()) tokens_.push_back(tokenizer.current());
  tokens_.push_back(tokenizer.current());
  for (const TokenErrors::Error& error : errors.errors()) {
    end.line = error.line;
    end.column = error.column;
    Complain(end, "", InOurForm(error.message));
  }
}

TextParser::Token TextParser::Take() {
  const Token token = Current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TextParser::Sees(absl::string_view symbol) const {
  return Current().type == Tokenizer::TYPE_SYMBOL && Current().text == symbol;
}

bool TextParser::Accept(absl::string_view symbol) {
  if (!Sees(symbol)) return false;
  Take();
  return true;
}

std::string TextParser::Seen() const {
  return AtEnd() ? "the end of the text" : absl::StrCat("'", Current().text, "'");
}

std::string TextParser::PlaceOf(const Token& token) const {
  if (!place_.empty()) return place_;
  return absl::StrCat(file_name_, ":", token.line + 1, ":", token.column + 1);
}

void TextParser::Complain(const Token& token, const std::string& path, std::string description) {
  if (problems_->size() < kMaxProblems) {
    problems_->AddProblem({path, std::move(description), PlaceOf(token)});
  }
}

void TextParser::Remember(const Token& token, const std::string& path) {
  (*places_)[path] = PlaceOf(token);
}

void TextParser::ParseMessage(Message* message) {
  ParseFields({message, "", nullptr}, "", Current());
}

void TextParser::ParseValue(Message* message, const std::string& message_path,
                            const FieldDescriptor* field) {
  ParseKnownField({message, message_path, nullptr}, field, Current());
  if (!AtEnd()) {
    Complain(Current(), JoinField(message_path, field->name()),
             absl::StrCat("is followed by ", Seen(), "; expected nothing more"));
  }
}

void TextParser::ParseFields(const Scope& scope, absl::string_view close, const Token& opener) {
  while (!AtEnd()) {
    if (!close.empty() && Accept(close)) return;
    if (SeesCloser()) {
      const Token closer = Take();
      if (close.empty()) {
        Complain(closer, "", absl::StrCat("found '", closer.text, "', which closes nothing"));
        continue;
      }
      Complain(closer, scope.path,
               absl::StrCat("ends with '", closer.text, "'; expected '", close, "'"));
      return;
    }
    if (Current().type == Tokenizer::TYPE_IDENTIFIER) {
      ParseField(scope);
    } else {
      Complain(Current(), scope.path,
               absl::StrCat(scope.path.empty() ? "found " : "holds ", Seen(),
                            " where a field's name was expected"));
      SkipToField();
    }
    if (!Accept(",")) Accept(";");
  }
  if (!close.empty()) {
    Complain(opener, scope.path, absl::StrCat("is not closed; expected '", close, "'"));
  }
}

void TextParser::ParseField(const Scope& scope) {
  const Token name = Take();
  const FieldDescriptor* field = FindField(scope.message->GetDescriptor(), name.text);
  if (field == nullptr) return ParseUnknownField(scope, name);
  const std::string path = JoinField(scope.path, field->name());
  const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!Accept(":") && !is_message) {
    Complain(Current(), path, absl::StrCat("is followed by ", Seen(), "; expected ':'"));
    if (Sees("{") || Sees("<") || SeesCloser() || Following().text == ":") return SkipValue();
  }
  ParseKnownField(scope, field, name);
}

// A name that an enclosing message knows usually means that a bracket is missing; its value is then
// read where it belongs, so that its own problems are found too.
void TextParser::ParseUnknownField(const Scope& scope, const Token& name) {
  const Descriptor* type = scope.message->GetDescriptor();
  const std::string path = JoinField(scope.path, name.text);
  const bool has_value = Sees(":") || Sees("{") || Sees("<");
  for (const Scope* outer = scope.parent; outer != nullptr && has_value; outer = outer->parent) {
    const FieldDescriptor* field = FindField(outer->message->GetDescriptor(), name.text);
    if (field == nullptr) continue;
    Complain(name, path,
             absl::StrFormat("is a field of %s, not of %s; is a '}' missing before it?",
                             outer->message->GetDescriptor()->name(), type->name()));
    Accept(":");
    return ParseKnownField(*outer, field, name);
  }
  Complain(name, path,
           absl::StrCat("is not a field of ", type->options().map_entry() ? "a map" : type->name(),
                        DidYouMean(name.text, FieldNames(type))));
  SkipValue();
}

void TextParser::ParseKnownField(const Scope& scope, const FieldDescriptor* field,
                                 const Token& name) {
  const std::string path = JoinField(scope.path, field->name());
  CheckOneof(scope, field, path, name);
  if (!Sees("[")) return ParseOne(scope, field, path, name);
  if (field->is_repeated()) return ParseList(scope, field, path);
  Complain(Current(), path, "is given a list; expected one value");
  SkipBalanced();
}

void TextParser::ParseList(const Scope& scope, const FieldDescriptor* field,
                           const std::string& path) {
  const Token opener = Take();
  if (Accept("]")) return;
  while (!AtEnd()) {
    const size_t before = at_;
    ParseOne(scope, field, path, Current());
    if (Accept("]")) return;
    if (Accept(",")) continue;
    Complain(Current(), path, absl::StrCat("holds ", Seen(), " where ',' or ']' was expected"));
    // A list that was never closed must not swallow the fields after it.
    if (SeesCloser() || Following().text == ":" || Following().text == "{") return;
    if (at_ == before) Take();
  }
  Complain(opener, path, "is not closed; expected ']'");
}

void TextParser::ParseOne(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                          const Token& name) {
  const Reflection* reflection = scope.message->GetReflection();
  if (field->is_map()) return ParseMapEntry(scope, field, path, name);
  const std::string place_path =
      field->is_repeated() ? IndexedPath(path, reflection->FieldSize(*scope.message, field)) : path;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const bool opens = Sees("{") || Sees("<");
    if (!opens) {
      Complain(Current(), place_path, absl::StrCat("is followed by ", Seen(), "; expected '{'"));
      // A field of the message stands here: only its bracket was forgotten.
      if (FindField(field->message_type(), Current().text) == nullptr) return SkipScalar();
    }
    if (places_->count(place_path) == 0) Remember(name, place_path);
    Message* message = field->is_repeated() ? reflection->AddMessage(scope.message, field)
                                            : reflection->MutableMessage(scope.message, field);
    if (opens) return ParseSubmessage(scope, message, place_path);
    return ParseFields({message, place_path, &scope}, "}", Current());
  }
  if (!field->is_repeated() && warnings_ != nullptr && place_.empty()) {
    const auto earlier = places_->find(place_path);
    if (earlier != places_->end()) {
      warnings_->push_back(absl::StrCat(PlaceOf(name), ": ", place_path,
                                        " is given again; the last one wins (the one before is at ",
                                        earlier->second, ")"));
    }
  }
  Remember(name, place_path);
  ParseScalar(scope.message, field, place_path);
}

void TextParser::ParseSubmessage(const Scope& scope, Message* message, const std::string& path) {
  const Token opener = Take();
  ParseFields({message, path, &scope}, opener.text == "{" ? "}" : ">", opener);
}

void TextParser::ParseMapEntry(const Scope& scope, const FieldDescriptor* field,
                               const std::string& path, const Token& name) {
  if (!Sees("{") && !Sees("<")) {
    Complain(Current(), path,
             absl::StrCat("is followed by ", Seen(), "; expected '{ key: ... value: ... }'"));
    return SkipScalar();
  }
  const Reflection* reflection = scope.message->GetReflection();
  const int index = reflection->FieldSize(*scope.message, field);
  Message* entry = reflection->AddMessage(scope.message, field);
  for (const char* part : {"key", "value"}) places_->erase(JoinField(path, part));
  ParseSubmessage(scope, entry, path);
  for (const char* part : {"key", "value"}) {
    if (places_->erase(JoinField(path, part)) == 0) {
      Complain(name, path, absl::StrCat("holds an entry without '", part, "'"));
    }
  }
  const std::string key_path = MapPath(path, *entry);
  const int earlier = FindMapEntry(*scope.message, field, *entry, index);
  if (earlier >= 0) {
    if (warnings_ != nullptr) {
      warnings_->push_back(
          absl::StrCat(PlaceOf(name), ": ", key_path, " is given again; the last one wins"));
    }
    reflection->SwapElements(scope.message, field, earlier, index);
    reflection->RemoveLast(scope.message, field);
  }
  Remember(name, key_path);
}

void TextParser::CheckOneof(const Scope& scope, const FieldDescriptor* field,
                            const std::string& path, const Token& name) {
  const auto* oneof = field->real_containing_oneof();
  if (oneof == nullptr || !place_.empty()) return;
  const FieldDescriptor* other =
      scope.message->GetReflection()->GetOneofFieldDescriptor(*scope.message, oneof);
  if (other == nullptr || other == field) return;
  const auto place = places_->find(JoinField(scope.path, other->name()));
  Complain(name, path,
           absl::StrCat("and ", other->name(), " exclude each other",
                        place == places_->end() ? "" : "; it was given at ",
                        place == places_->end() ? "" : place->second));
}

void TextParser::ParseScalar(Message* message, const FieldDescriptor* field,
                             const std::string& path) {
  Literal literal;
  literal.negative = Accept("-");
  if (AtEnd() || Current().type == Tokenizer::TYPE_SYMBOL) {
    Complain(Current(), path, absl::StrCat("has no value: found ", Seen()));
    return SkipValue();
  }
  // `a: b: 1` and `a: b { }`: the value of `a` was forgotten, and the next field should not be
  // lost.
  const bool names_next_field = Current().type == Tokenizer::TYPE_IDENTIFIER &&
                                (Following().text == ":" || Following().text == "{");
  if (names_next_field) {
    Complain(Current(), path, absl::StrCat("has no value: found ", Seen()));
    return;
  }
  literal.token = Take();
  if (literal.token.type == Tokenizer::TYPE_STRING) {
    Tokenizer::ParseStringAppend(literal.token.text, &literal.text);
    while (Current().type == Tokenizer::TYPE_STRING) {
      Tokenizer::ParseStringAppend(Take().text, &literal.text);
    }
  }
  StoreScalar(message, field, path, literal);
}

void TextParser::StoreScalar(Message* message, const FieldDescriptor* field,
                             const std::string& path, const Literal& literal) {
  const Reflection* reflection = message->GetReflection();
  const bool add = field->is_repeated();
#define TY_STORE(Type, Kind, read)                      \
  {                                                     \
    Type value{};                                       \
    if (!read(field, path, literal, &value)) return;    \
    add ? reflection->Add##Kind(message, field, value)  \
        : reflection->Set##Kind(message, field, value); \
    return;                                             \
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      TY_STORE(int32_t, Int32, ReadInteger)
    case FieldDescriptor::CPPTYPE_UINT32:
      TY_STORE(uint32_t, UInt32, ReadInteger)
    case FieldDescriptor::CPPTYPE_INT64:
      TY_STORE(int64_t, Int64, ReadInteger)
    case FieldDescriptor::CPPTYPE_UINT64:
      TY_STORE(uint64_t, UInt64, ReadInteger)
    case FieldDescriptor::CPPTYPE_DOUBLE:
      TY_STORE(double, Double, ReadDouble)
    case FieldDescriptor::CPPTYPE_BOOL:
      TY_STORE(bool, Bool, ReadBool)
    case FieldDescriptor::CPPTYPE_STRING:
      TY_STORE(std::string, String, ReadText)
    case FieldDescriptor::CPPTYPE_ENUM:
      TY_STORE(int, EnumValue, ReadEnum)
    case FieldDescriptor::CPPTYPE_FLOAT: {
      double wide = 0;
      if (!ReadDouble(field, path, literal, &wide)) return;
      const float value = static_cast<float>(wide);
      if (std::isinf(value) && !std::isinf(wide)) {
        return ComplainAboutType(field, path, literal, "a number that a 32-bit float can hold");
      }
      add ? reflection->AddFloat(message, field, value)
          : reflection->SetFloat(message, field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;  // never a scalar
  }
#undef TY_STORE
}

void TextParser::ComplainAboutType(const FieldDescriptor* field, const std::string& path,
                                   const Literal& literal, absl::string_view expected) {
  const std::string seen = IsSecret(field)
                               ? "something else (not shown)"
                               : absl::StrCat(literal.negative ? "-" : "", literal.token.text);
  Complain(literal.token, path, absl::StrCat("is ", seen, "; expected ", expected));
}

template <typename T>
bool TextParser::ReadInteger(const FieldDescriptor* field, const std::string& path,
                             const Literal& literal, T* value) {
  const uint64_t most = static_cast<uint64_t>(std::numeric_limits<T>::max());
  const bool may_be_negative = std::is_signed_v<T>;
  uint64_t magnitude = 0;
  const uint64_t limit = literal.negative && may_be_negative ? most + 1 : most;
  if (literal.token.type != Tokenizer::TYPE_INTEGER ||
      !Tokenizer::ParseInteger(literal.token.text, limit, &magnitude) ||
      (literal.negative && !may_be_negative && magnitude != 0)) {
    ComplainAboutType(field, path, literal, RangeOf<T>());
    return false;
  }
  *value = static_cast<T>(literal.negative ? 0 - magnitude : magnitude);
  return true;
}

bool TextParser::ReadDouble(const FieldDescriptor* field, const std::string& path,
                            const Literal& literal, double* value) {
  const Token& token = literal.token;
  const std::string lower = absl::AsciiStrToLower(token.text);
  const bool decimal =
      token.type == Tokenizer::TYPE_INTEGER && !(token.text.size() > 1 && token.text[0] == '0');
  if (token.type == Tokenizer::TYPE_FLOAT || decimal) {
    *value = Tokenizer::ParseFloat(token.text);
  } else if (token.type == Tokenizer::TYPE_IDENTIFIER && (lower == "inf" || lower == "infinity")) {
    *value = std::numeric_limits<double>::infinity();
  } else if (token.type == Tokenizer::TYPE_IDENTIFIER && lower == "nan") {
    *value = std::numeric_limits<double>::quiet_NaN();
  } else {
    ComplainAboutType(field, path, literal, "a number");
    return false;
  }
  if (literal.negative) *value = -*value;
  return true;
}

bool TextParser::ReadBool(const FieldDescriptor* field, const std::string& path,
                          const Literal& literal, bool* value) {
  const std::string& text = literal.token.text;
  const bool word = literal.token.type != Tokenizer::TYPE_STRING && !literal.negative;
  *value = text == "true" || text == "True" || text == "t" || text == "1";
  if (word && (*value || text == "false" || text == "False" || text == "f" || text == "0")) {
    return true;
  }
  ComplainAboutType(field, path, literal, "true or false");
  return false;
}

bool TextParser::ReadText(const FieldDescriptor* field, const std::string& path,
                          const Literal& literal, std::string* value) {
  if (literal.token.type != Tokenizer::TYPE_STRING || literal.negative) {
    ComplainAboutType(field, path, literal, "text in quotes");
    return false;
  }
  if (!IsUtf8(literal.text)) {
    Complain(literal.token, path, "holds bytes that are not UTF-8");
    return false;
  }
  *value = literal.text;
  return true;
}

bool TextParser::ReadEnum(const FieldDescriptor* field, const std::string& path,
                          const Literal& literal, int* value) {
  const EnumDescriptor* type = field->enum_type();
  const EnumValueDescriptor* found = nullptr;
  uint64_t number = 0;
  if (literal.token.type == Tokenizer::TYPE_IDENTIFIER) {
    found = type->FindValueByName(literal.token.text);
  } else if (Tokenizer::ParseInteger(literal.token.text, std::numeric_limits<int32_t>::max(),
                                     &number)) {
    found = type->FindValueByNumber(static_cast<int>(number));
  }
  if (found == nullptr || literal.negative) {
    std::vector<std::string> names;
    for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
    ComplainAboutType(field, path, literal,
                      absl::StrCat(OneOf(type), DidYouMean(literal.token.text, names)));
    return false;
  }
  *value = found->number();
  return true;
}

// From an opening bracket to behind its closing one.
void TextParser::SkipBalanced() {
  int depth = 0;
  while (!AtEnd()) {
    if (Sees("{") || Sees("<") || Sees("[")) ++depth;
    if (SeesCloser()) --depth;
    Take();
    if (depth <= 0) return;
  }
}

// The value of a field that is not understood, with the colon before it.
void TextParser::SkipValue() {
  const bool colon = Accept(":");
  if (Sees("{") || Sees("<") || Sees("[")) {
    SkipBalanced();
  } else if (colon || Current().type == Tokenizer::TYPE_STRING) {
    SkipScalar();
  }
}

// A number, a word or adjacent texts; nothing where the next field or a bracket stands.
void TextParser::SkipScalar() {
  Accept("-");
  if (Current().type == Tokenizer::TYPE_STRING) {
    while (Current().type == Tokenizer::TYPE_STRING) Take();
  } else if (!AtEnd() && !SeesCloser() && Following().text != ":" && Following().text != "{") {
    Take();
  }
}

void TextParser::SkipToField() {
  Take();
  while (!AtEnd() && !SeesCloser()) {
    if (Sees("{") || Sees("<") || Sees("[")) {
      SkipBalanced();
    } else if (Current().type == Tokenizer::TYPE_IDENTIFIER &&
               (Following().text == ":" || Following().text == "{" || Following().text == "<")) {
      return;
    } else {
      Take();
    }
  }
}

}  // namespace internal
}  // namespace trainyard
