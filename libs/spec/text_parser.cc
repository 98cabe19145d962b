#include "libs/spec/text_parser.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/descriptor.pb.h"
#include "libs/spec/field_names.h"
#include "libs/spec/internal/literal.h"

namespace trainyard::spec::internal {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::io::Tokenizer;

constexpr size_t kMaxProblems = 1000;
// Messages of specs are at most 6 deep; the parser calls itself once a level.
constexpr int kMaxDepth = 64;

// The member of the field's oneof that is set, when it is another one; else null.
const FieldDescriptor* OtherOfOneof(const Message& message, const FieldDescriptor* field) {
  const auto* oneof = field->real_containing_oneof();
  if (oneof == nullptr) return nullptr;
  const auto* set = message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
  return set == field ? nullptr : set;
}

}  // namespace

TextParser::TextParser(absl::string_view text, absl::string_view file_name, absl::string_view place,
                       std::vector<std::string>* warnings, FieldPlaces* places, Problems* problems)
    : tokens_(text),
      file_name_(file_name),
      place_(place),
      warnings_(warnings),
      places_(places),
      problems_(problems) {
  for (const TokenStream::Error& error : tokens_.errors()) Complain(error.token, "", error.message);
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
  ParseFields({message, "", nullptr}, "", tokens_.Current());
}

void TextParser::ParseValue(Message* message, const std::string& message_path,
                            const FieldDescriptor* field) {
  ParseKnownField({message, message_path, nullptr}, field, tokens_.Current());
  if (!tokens_.AtEnd()) {
    Complain(tokens_.Current(), JoinField(message_path, field->name()),
             absl::StrCat("is followed by ", tokens_.Seen(), "; expected nothing more"));
  }
}

void TextParser::ParseFields(const Scope& scope, absl::string_view close, const Token& opener) {
  ++depth_;
  ParseFieldsHere(scope, close, opener);
  --depth_;
}

void TextParser::ParseFieldsHere(const Scope& scope, absl::string_view close, const Token& opener) {
  while (!tokens_.AtEnd()) {
    if (!close.empty() && tokens_.Accept(close)) return;
    if (tokens_.SeesCloser()) {
      const Token closer = tokens_.Take();
      if (close.empty()) {
        Complain(closer, "", absl::StrCat("found '", closer.text, "', which closes nothing"));
        continue;
      }
      Complain(closer, scope.path,
               absl::StrCat("ends with '", closer.text, "'; expected '", close, "'"));
      return;
    }
    if (tokens_.Sees(Tokenizer::TYPE_IDENTIFIER)) {
      ParseField(scope);
    } else {
      Complain(tokens_.Current(), scope.path,
               absl::StrCat(scope.path.empty() ? "found " : "holds ", tokens_.Seen(),
                            " where a field's name was expected"));
      tokens_.SkipToField();
    }
    if (!tokens_.Accept(",")) tokens_.Accept(";");
  }
  if (!close.empty()) {
    Complain(opener, scope.path, absl::StrCat("is not closed; expected '", close, "'"));
  }
}

void TextParser::ParseField(const Scope& scope) {
  const Token name = tokens_.Take();
  const FieldDescriptor* field = FindField(scope.message->GetDescriptor(), name.text);
  if (field == nullptr) return ParseUnknownField(scope, name);
  const std::string path = JoinField(scope.path, field->name());
  const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!tokens_.Accept(":") && !is_message) {
    Complain(tokens_.Current(), path,
             absl::StrCat("is followed by ", tokens_.Seen(), "; expected ':'"));
    const bool has_no_value =
        tokens_.SeesMessage() || tokens_.SeesCloser() || tokens_.SeesNext(":");
    if (has_no_value) return tokens_.SkipValue();
  }
  ParseKnownField(scope, field, name);
}

// A name that an enclosing message knows usually means that a bracket is missing; its value is then
// read where it belongs, so that its own problems are found too.
void TextParser::ParseUnknownField(const Scope& scope, const Token& name) {
  const Descriptor* type = scope.message->GetDescriptor();
  const std::string path = JoinField(scope.path, name.text);
  const bool has_value = tokens_.Sees(":") || tokens_.SeesMessage();
  for (const Scope* outer = scope.parent; outer != nullptr && has_value; outer = outer->parent) {
    const FieldDescriptor* field = FindField(outer->message->GetDescriptor(), name.text);
    if (field == nullptr) continue;
    Complain(name, path,
             absl::StrFormat("is a field of %s, not of %s; is a '}' missing before it?",
                             outer->message->GetDescriptor()->name(), type->name()));
    tokens_.Accept(":");
    if (OtherOfOneof(*outer->message, field) == nullptr) return ParseKnownField(*outer, field, name);
    // To set it would free the other one, whose fields are being read.
    CheckOneof(*outer, field, JoinField(outer->path, field->name()), name);
    const std::unique_ptr<Message> aside(outer->message->New());
    return ParseKnownField({aside.get(), outer->path, outer->parent}, field, name);
  }
  Complain(name, path,
           absl::StrCat("is not a field of ", type->options().map_entry() ? "a map" : type->name(),
                        DidYouMean(name.text, FieldNames(type))));
  tokens_.SkipValue();
}

void TextParser::ParseKnownField(const Scope& scope, const FieldDescriptor* field,
                                 const Token& name) {
  const std::string path = JoinField(scope.path, field->name());
  CheckOneof(scope, field, path, name);
  if (!tokens_.Sees("[")) return ParseOne(scope, field, path, name);
  if (field->is_repeated()) return ParseList(scope, field, path);
  Complain(tokens_.Current(), path, "is given a list; expected one value");
  tokens_.SkipBalanced();
}

void TextParser::ParseList(const Scope& scope, const FieldDescriptor* field,
                           const std::string& path) {
  const Token opener = tokens_.Take();
  if (tokens_.Accept("]")) return;
  while (!tokens_.AtEnd()) {
    const size_t before = tokens_.position();
    ParseOne(scope, field, path, tokens_.Current());
    if (tokens_.Accept("]")) return;
    if (tokens_.Accept(",")) continue;
    Complain(tokens_.Current(), path,
             absl::StrCat("holds ", tokens_.Seen(), " where ',' or ']' was expected"));
    // A list that was never closed must not swallow the fields after it.
    if (tokens_.SeesCloser() || tokens_.SeesNext(":") || tokens_.SeesNext("{")) return;
    if (tokens_.position() == before) tokens_.Take();
  }
  Complain(opener, path, "is not closed; expected ']'");
}

void TextParser::ParseOne(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                          const Token& name) {
  // The entries of maps are messages, too.
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth_ >= kMaxDepth) {
    Complain(name, path, absl::StrFormat("is more than %d levels deep", kMaxDepth));
    return tokens_.SkipBalanced();
  }
  if (field->is_map()) return ParseMapEntry(scope, field, path, name);
  const Reflection* reflection = scope.message->GetReflection();
  const std::string place_path =
      field->is_repeated() ? IndexedPath(path, reflection->FieldSize(*scope.message, field)) : path;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return ParseOneMessage(scope, field, place_path, name);
  }
  if (!field->is_repeated()) WarnIfGivenBefore(place_path, name);
  Remember(name, place_path);
  ParseScalar(scope.message, field, place_path);
}

void TextParser::ParseOneMessage(const Scope& scope, const FieldDescriptor* field,
                                 const std::string& path, const Token& name) {
  const bool opens = tokens_.SeesMessage();
  if (!opens) {
    Complain(tokens_.Current(), path,
             absl::StrCat("is followed by ", tokens_.Seen(), "; expected '{'"));
    const bool only_bracket_forgotten =
        FindField(field->message_type(), tokens_.Current().text) != nullptr;
    if (!only_bracket_forgotten) return tokens_.SkipScalar();
  }
  if (places_->count(path) == 0) Remember(name, path);
  const Reflection* reflection = scope.message->GetReflection();
  Message* message = field->is_repeated() ? reflection->AddMessage(scope.message, field)
                                          : reflection->MutableMessage(scope.message, field);
  if (opens) return ParseSubmessage(scope, message, path);
  ParseFields({message, path, &scope}, "}", tokens_.Current());
}

void TextParser::WarnIfGivenBefore(const std::string& path, const Token& name) {
  if (warnings_ == nullptr || !place_.empty()) return;
  const auto earlier = places_->find(path);
  if (earlier == places_->end()) return;
  warnings_->push_back(absl::StrCat(PlaceOf(name), ": ", path,
                                    " is given again; the last one wins (the one before is at ",
                                    earlier->second, ")"));
}

void TextParser::ParseSubmessage(const Scope& scope, Message* message, const std::string& path) {
  const Token opener = tokens_.Take();
  ParseFields({message, path, &scope}, opener.text == "{" ? "}" : ">", opener);
}

void TextParser::ParseMapEntry(const Scope& scope, const FieldDescriptor* field,
                               const std::string& path, const Token& name) {
  if (!tokens_.SeesMessage()) {
    Complain(
        tokens_.Current(), path,
        absl::StrCat("is followed by ", tokens_.Seen(), "; expected '{ key: ... value: ... }'"));
    return tokens_.SkipScalar();
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
  const FieldDescriptor* other = OtherOfOneof(*scope.message, field);
  if (other == nullptr || !place_.empty()) return;
  const auto place = places_->find(JoinField(scope.path, other->name()));
  const std::string where =
      place == places_->end() ? "" : absl::StrCat("; it was given at ", place->second);
  Complain(name, path, absl::StrCat("and ", other->name(), " exclude each other", where));
}

void TextParser::ParseScalar(Message* message, const FieldDescriptor* field,
                             const std::string& path) {
  Literal literal;
  literal.negative = tokens_.Accept("-");
  if (tokens_.AtEnd() || tokens_.Sees(Tokenizer::TYPE_SYMBOL)) {
    Complain(tokens_.Current(), path, absl::StrCat("has no value: found ", tokens_.Seen()));
    return tokens_.SkipValue();
  }
  // `a: b: 1` and `a: b { }`: the value of `a` was forgotten, and the next field should not be
  // lost.
  const bool names_next_field =
      tokens_.Sees(Tokenizer::TYPE_IDENTIFIER) && (tokens_.SeesNext(":") || tokens_.SeesNext("{"));
  if (names_next_field) {
    Complain(tokens_.Current(), path, absl::StrCat("has no value: found ", tokens_.Seen()));
    return;
  }
  literal.token = tokens_.Take();
  if (literal.token.type == Tokenizer::TYPE_STRING) {
    Tokenizer::ParseStringAppend(literal.token.text, &literal.text);
    while (tokens_.Sees(Tokenizer::TYPE_STRING)) {
      Tokenizer::ParseStringAppend(tokens_.Take().text, &literal.text);
    }
  }
  std::string wrong = StoreLiteral(literal, field, message);
  if (!wrong.empty()) Complain(literal.token, path, std::move(wrong));
}

}  // namespace trainyard::spec::internal
