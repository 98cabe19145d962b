#include "libs/spec/internal/literal.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <type_traits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/utf8.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec::internal {
namespace {

using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::io::Tokenizer;

// --- What a literal is, as a value of a type; nothing when it is none ---

template <typename T>
std::optional<T> ReadInteger(const Literal& literal) {
  const bool may_be_negative = std::is_signed_v<T>;
  const uint64_t most = static_cast<uint64_t>(std::numeric_limits<T>::max());
  const uint64_t limit = literal.negative && may_be_negative ? most + 1 : most;
  uint64_t magnitude = 0;
  if (literal.token.type != Tokenizer::TYPE_INTEGER ||
      !Tokenizer::ParseInteger(literal.token.text, limit, &magnitude)) {
    return std::nullopt;
  }
  if (literal.negative && !may_be_negative && magnitude != 0) return std::nullopt;
  return static_cast<T>(literal.negative ? 0 - magnitude : magnitude);
}

std::optional<double> ReadDouble(const Literal& literal) {
  const std::string& text = literal.token.text;
  const std::string lower = absl::AsciiStrToLower(text);
  const bool word = literal.token.type == Tokenizer::TYPE_IDENTIFIER;
  const bool octal = text.size() > 1 && text[0] == '0';
  double magnitude = 0;
  if (literal.token.type == Tokenizer::TYPE_FLOAT ||
      (literal.token.type == Tokenizer::TYPE_INTEGER && !octal)) {
    magnitude = Tokenizer::ParseFloat(text);
  } else if (word && (lower == "inf" || lower == "infinity")) {
    magnitude = std::numeric_limits<double>::infinity();
  } else if (word && lower == "nan") {
    magnitude = std::numeric_limits<double>::quiet_NaN();
  } else {
    return std::nullopt;
  }
  return literal.negative ? -magnitude : magnitude;
}

std::optional<float> ReadFloat(const Literal& literal) {
  const std::optional<double> wide = ReadDouble(literal);
  if (!wide.has_value()) return std::nullopt;
  const float value = static_cast<float>(*wide);
  if (std::isinf(value) && !std::isinf(*wide)) return std::nullopt;
  return value;
}

std::optional<bool> ReadBool(const Literal& literal) {
  if (literal.token.type == Tokenizer::TYPE_STRING || literal.negative) return std::nullopt;
  const std::string& text = literal.token.text;
  if (text == "true" || text == "True" || text == "t" || text == "1") return true;
  if (text == "false" || text == "False" || text == "f" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::string> ReadText(const Literal& literal) {
  if (literal.token.type != Tokenizer::TYPE_STRING || literal.negative) return std::nullopt;
  return literal.text;
}

std::optional<int> ReadEnum(const Literal& literal, const EnumDescriptor* type) {
  const EnumValueDescriptor* found = nullptr;
  uint64_t number = 0;
  if (literal.negative) return std::nullopt;
  if (literal.token.type == Tokenizer::TYPE_IDENTIFIER) {
    found = type->FindValueByName(literal.token.text);
  } else if (Tokenizer::ParseInteger(literal.token.text, std::numeric_limits<int32_t>::max(),
                                     &number)) {
    found = type->FindValueByNumber(static_cast<int>(number));
  }
  if (found == nullptr) return std::nullopt;
  return found->number();
}

// --- What was expected ---

template <typename T>
std::string RangeOf() {
  return absl::StrCat("a whole number from ", std::numeric_limits<T>::min(), " to ",
                      std::numeric_limits<T>::max());
}

std::string NamesOf(const EnumDescriptor* type, const Literal& literal) {
  std::vector<std::string> names;
  for (int i = 0; i < type->value_count(); ++i) names.push_back(type->value(i)->name());
  return absl::StrCat(names.size() > 1 ? "one of " : "", absl::StrJoin(names, ", "),
                      DidYouMean(literal.token.text, names));
}

std::string WrongType(const Literal& literal, const FieldDescriptor* field,
                      absl::string_view expected) {
  const std::string seen = IsSecret(field)
                               ? "something else (not shown)"
                               : absl::StrCat(literal.negative ? "-" : "", literal.token.text);
  return absl::StrCat("is ", seen, "; expected ", expected);
}

}  // namespace

std::string StoreLiteral(const Literal& literal, const FieldDescriptor* field, Message* message) {
  const Reflection* reflection = message->GetReflection();
  const bool add = field->is_repeated();
#define TY_STORE(Kind, read, expected)                                  \
  {                                                                     \
    const auto value = read;                                            \
    if (!value.has_value()) return WrongType(literal, field, expected); \
    add ? reflection->Add##Kind(message, field, *value)                 \
        : reflection->Set##Kind(message, field, *value);                \
    return "";                                                          \
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      TY_STORE(Int32, ReadInteger<int32_t>(literal), RangeOf<int32_t>())
    case FieldDescriptor::CPPTYPE_UINT32:
      TY_STORE(UInt32, ReadInteger<uint32_t>(literal), RangeOf<uint32_t>())
    case FieldDescriptor::CPPTYPE_INT64:
      TY_STORE(Int64, ReadInteger<int64_t>(literal), RangeOf<int64_t>())
    case FieldDescriptor::CPPTYPE_UINT64:
      TY_STORE(UInt64, ReadInteger<uint64_t>(literal), RangeOf<uint64_t>())
    case FieldDescriptor::CPPTYPE_DOUBLE:
      TY_STORE(Double, ReadDouble(literal), "a number")
    case FieldDescriptor::CPPTYPE_FLOAT:
      TY_STORE(Float, ReadFloat(literal),
               ReadDouble(literal) ? "a number that a 32-bit float can hold" : "a number")
    case FieldDescriptor::CPPTYPE_BOOL:
      TY_STORE(Bool, ReadBool(literal), "true or false")
    case FieldDescriptor::CPPTYPE_STRING:
      if (ReadText(literal) && !IsUtf8(literal.text)) return "holds bytes that are not UTF-8";
      TY_STORE(String, ReadText(literal), "text in quotes")
    case FieldDescriptor::CPPTYPE_ENUM:
      TY_STORE(EnumValue, ReadEnum(literal, field->enum_type()),
               NamesOf(field->enum_type(), literal))
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;  // never a scalar
  }
#undef TY_STORE
  return "";
}

}  // namespace trainyard::spec::internal
