#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/spec/text_format.h"

namespace trainyard::internal {

/// A text in protobuf text format, read by recursive descent over its tokens. Every problem is kept
/// and reading goes on at the next field. One object reads one text, once.
class TextParser {
 public:
  /// `place` stands for all places when it is not empty (overrides); else they are
  /// "<file_name>:line:column". `warnings` may be null; the other pointers must outlive the parser.
  TextParser(absl::string_view text, absl::string_view file_name, absl::string_view place,
             std::vector<std::string>* warnings, FieldPlaces* places, Problems* problems);

  /// Reads the whole text as the fields of `message`.
  void ParseMessage(google::protobuf::Message* message);
  /// Reads the whole text as a value of `field` of `message`, whose own path is `message_path`. A
  /// repeated field gets it added (a list adds each item).
  void ParseValue(google::protobuf::Message* message, const std::string& message_path,
                  const google::protobuf::FieldDescriptor* field);

 private:
  using Message = google::protobuf::Message;
  using FieldDescriptor = google::protobuf::FieldDescriptor;
  using Token = google::protobuf::io::Tokenizer::Token;
  using Tokenizer = google::protobuf::io::Tokenizer;

  // A message that is being read: what a field name may refer to, and what encloses it.
  struct Scope {
    Message* message;
    std::string path;
    const Scope* parent;
  };
  // A scalar as it stands in the text.
  struct Literal {
    Token token;
    bool negative = false;
    // The joined content when the token is a text.
    std::string text;
  };

  void ReadTokens(absl::string_view text);
  const Token& Current() const { return tokens_[at_]; }
  const Token& Following() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Take();
  bool AtEnd() const { return Current().type == Tokenizer::TYPE_END; }
  bool Sees(absl::string_view symbol) const;
  bool SeesCloser() const { return Sees("}") || Sees(">") || Sees("]"); }
  bool Accept(absl::string_view symbol);
  // "'x'", or "the end of the text".
  std::string Seen() const;

  std::string PlaceOf(const Token& token) const;
  void Complain(const Token& token, const std::string& path, std::string description);
  void Remember(const Token& token, const std::string& path);

  void ParseFields(const Scope& scope, absl::string_view close, const Token& opener);
  void ParseField(const Scope& scope);
  void ParseUnknownField(const Scope& scope, const Token& name);
  void ParseKnownField(const Scope& scope, const FieldDescriptor* field, const Token& name);
  void ParseList(const Scope& scope, const FieldDescriptor* field, const std::string& path);
  void ParseOne(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                const Token& name);
  void ParseSubmessage(const Scope& scope, Message* message, const std::string& path);
  void ParseMapEntry(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                     const Token& name);
  void CheckOneof(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                  const Token& name);

  void ParseScalar(Message* message, const FieldDescriptor* field, const std::string& path);
  void StoreScalar(Message* message, const FieldDescriptor* field, const std::string& path,
                   const Literal& literal);
  void ComplainAboutType(const FieldDescriptor* field, const std::string& path,
                         const Literal& literal, absl::string_view expected);
  template <typename T>
  bool ReadInteger(const FieldDescriptor* field, const std::string& path, const Literal& literal,
                   T* value);
  bool ReadDouble(const FieldDescriptor* field, const std::string& path, const Literal& literal,
                  double* value);
  bool ReadBool(const FieldDescriptor* field, const std::string& path, const Literal& literal,
                bool* value);
  bool ReadText(const FieldDescriptor* field, const std::string& path, const Literal& literal,
                std::string* value);
  bool ReadEnum(const FieldDescriptor* field, const std::string& path, const Literal& literal,
                int* value);

  void SkipBalanced();
  void SkipValue();
  void SkipScalar();
  void SkipToField();

  std::string file_name_;
  std::string place_;
  std::vector<std::string>* warnings_;
  FieldPlaces* places_;
  Problems* problems_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

/// ParseTextFormat, with the problems added to `problems`.
void ParseTextFormatInto(absl::string_view text, absl::string_view file_name,
                         google::protobuf::Message* message, std::vector<std::string>* warnings,
                         FieldPlaces* places, Problems* problems);

/// ApplyOverrides, with the problems added to `problems`; those that hold are applied all the same.
void ApplyOverridesInto(absl::Span<const std::string> overrides, google::protobuf::Message* message,
                        FieldPlaces* places, Problems* problems);

/// The field of that name or alias; nullptr when there is none.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor* type,
                                                   absl::string_view name);
/// The names of all fields and aliases, for suggestions.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor* type);

/// "a.b", or "b" when `path` is empty.
std::string JoinField(absl::string_view path, absl::string_view name);
/// "path[3]", "path[\"key\"]".
std::string IndexedPath(absl::string_view path, int index);
std::string MapPath(absl::string_view path, const google::protobuf::Message& entry);

/// The position of the map entry that has the same key as `entry`, leaving out `except`; -1 for
/// none.
int FindMapEntry(const google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor* field,
                 const google::protobuf::Message& entry, int except);

/// Whether the value of the field must not be shown or written.
bool IsSecret(const google::protobuf::FieldDescriptor* field);

bool IsUtf8(absl::string_view text);

}  // namespace trainyard::internal
