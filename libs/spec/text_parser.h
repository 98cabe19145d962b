#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/spec/internal/token_stream.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec::internal {

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
  using Token = TokenStream::Token;

  // A message that is being read: what a field name may refer to, and what encloses it.
  struct Scope {
    Message* message;
    std::string path;
    const Scope* parent;
  };

  std::string PlaceOf(const Token& token) const;
  void Complain(const Token& token, const std::string& path, std::string description);
  void Remember(const Token& token, const std::string& path);

  void ParseFields(const Scope& scope, absl::string_view close, const Token& opener);
  void ParseFieldsHere(const Scope& scope, absl::string_view close, const Token& opener);
  void ParseField(const Scope& scope);
  void ParseUnknownField(const Scope& scope, const Token& name);
  void ParseKnownField(const Scope& scope, const FieldDescriptor* field, const Token& name);
  void ParseList(const Scope& scope, const FieldDescriptor* field, const std::string& path);
  void ParseOne(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                const Token& name);
  void ParseOneMessage(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                       const Token& name);
  void ParseSubmessage(const Scope& scope, Message* message, const std::string& path);
  void ParseMapEntry(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                     const Token& name);
  void CheckOneof(const Scope& scope, const FieldDescriptor* field, const std::string& path,
                  const Token& name);
  void WarnIfGivenBefore(const std::string& path, const Token& name);
  void ParseScalar(Message* message, const FieldDescriptor* field, const std::string& path);

  TokenStream tokens_;
  std::string file_name_;
  std::string place_;
  std::vector<std::string>* warnings_;
  FieldPlaces* places_;
  Problems* problems_;
  int depth_ = 0;  // messages that are being read, one in the other
};

/// ParseTextFormat, with the problems added to `problems`.
void ParseTextFormatInto(absl::string_view text, absl::string_view file_name,
                         google::protobuf::Message* message, std::vector<std::string>* warnings,
                         FieldPlaces* places, Problems* problems);

/// ApplyOverrides, with the problems added to `problems`; those that hold are applied all the same.
void ApplyOverridesInto(absl::Span<const std::string> overrides, google::protobuf::Message* message,
                        FieldPlaces* places, Problems* problems);

}  // namespace trainyard::spec::internal
