#pragma once

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/message.h"

namespace trainyard::spec::internal {

/// A scalar as it stands in the text.
struct Literal {
  google::protobuf::io::Tokenizer::Token token;
  bool negative = false;
  /// The joined content when the token is a text.
  std::string text;
};

/// Sets a scalar field of `message`, or adds to it when it is repeated. Gives "", or what is wrong
/// with the literal ("is 3.5; expected a whole number ..."); `message` is then as it was.
std::string StoreLiteral(const Literal& literal, const google::protobuf::FieldDescriptor* field,
                         google::protobuf::Message* message);

}  // namespace trainyard::spec::internal
