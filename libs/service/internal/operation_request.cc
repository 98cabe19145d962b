#include "libs/service/internal/operation_request.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/digest.h"
#include "libs/service/key.h"

namespace trainyard::service {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kRedactedKey[] = "[redacted]";
constexpr size_t kMostRequestBytes = size_t{4} << 20;
constexpr int kMostPathMapEntries = 1000;

const FieldDescriptor* FieldOf(const Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

std::string RequestIdOf(const Message& request) {
  const FieldDescriptor* field = FieldOf(request, "request_id");
  return field == nullptr ? "" : request.GetReflection()->GetString(request, field);
}

bool IsValidateOnly(const Message& request) {
  const FieldDescriptor* field = FieldOf(request, "validate_only");
  return field != nullptr && request.GetReflection()->GetBool(request, field);
}

void SetKey(Message* request, const std::string& value) {
  const FieldDescriptor* stage = FieldOf(*request, "stage");
  if (stage == nullptr || !request->GetReflection()->HasField(*request, stage)) return;
  Message* input = request->GetReflection()->MutableMessage(request, stage);
  const FieldDescriptor* key = FieldOf(*input, "key");
  if (key != nullptr) input->GetReflection()->SetString(input, key, value);
}

void ClearField(Message* message, const char* name) {
  const FieldDescriptor* field = FieldOf(*message, name);
  if (field != nullptr) message->GetReflection()->ClearField(message, field);
}

}  // namespace

const v1::StageInput* StageInputOf(const Message& request) {
  const FieldDescriptor* stage = FieldOf(request, "stage");
  if (stage == nullptr || stage->message_type() != v1::StageInput::descriptor()) return nullptr;
  return google::protobuf::DynamicCastToGenerated<v1::StageInput>(
      &request.GetReflection()->GetMessage(request, stage));
}

std::string KeyOf(const Message& request) {
  const FieldDescriptor* stage = FieldOf(request, "stage");
  if (stage == nullptr || !request.GetReflection()->HasField(request, stage)) return "";
  const Message& input = request.GetReflection()->GetMessage(request, stage);
  const FieldDescriptor* key = FieldOf(input, "key");
  return key == nullptr ? "" : input.GetReflection()->GetString(input, key);
}

std::string DeterministicBytes(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

absl::Status CheckSize(const Message& request) {
  if (const size_t bytes = request.ByteSizeLong(); bytes > kMostRequestBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the request has ", bytes,
                                                   " bytes; expected at most ", kMostRequestBytes));
  }
  const v1::StageInput* stage = StageInputOf(request);
  const int entries = stage == nullptr ? 0 : static_cast<int>(stage->path_map().size());
  if (entries <= kMostPathMapEntries) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("stage.path_map has ", entries,
                                                 " entries; expected at most ",
                                                 kMostPathMapEntries));
}

TakenRequest TakeApart(const Message& request) {
  TakenRequest taken;
  taken.key = KeyOf(request);
  taken.request_id = RequestIdOf(request);
  taken.validate_only = IsValidateOnly(request);
  taken.stored.reset(request.New());
  taken.stored->CopyFrom(request);
  ClearField(taken.stored.get(), "request_id");
  SetKey(taken.stored.get(), "");
  taken.digest = Sha256Hex(DeterministicBytes(*taken.stored));
  if (taken.key.empty()) return taken;
  const bool reference = IsKeyReference(taken.key);
  taken.key_kind = reference ? KeyKind::kReference : KeyKind::kLiteral;
  SetKey(taken.stored.get(), reference ? taken.key : kRedactedKey);
  return taken;
}

}  // namespace trainyard::service
