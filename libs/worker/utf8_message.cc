#include "libs/worker/utf8_message.h"

#include <string>
#include <vector>

#include "libs/base/printable.h"
#include "libs/base/utf8.h"

namespace trainyard::worker {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void MendString(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) {
    const std::string text = reflection.GetString(message, &field);
    if (!IsUtf8(text)) reflection.SetString(&message, &field, Printable(text));
    return;
  }
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const std::string text = reflection.GetRepeatedString(message, &field, i);
    if (!IsUtf8(text)) reflection.SetRepeatedString(&message, &field, i, Printable(text));
  }
}

void MendMessages(Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) return MakeUtf8(*reflection.MutableMessage(&message, &field));
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    MakeUtf8(*reflection.MutableRepeatedMessage(&message, &field, i));
  }
}

}  // namespace

void MakeUtf8(Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      MendString(message, *field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      MendMessages(message, *field);
    }
  }
}

}  // namespace trainyard::worker
