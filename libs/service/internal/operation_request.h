#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "libs/service/operation_store.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::service {

/// A stage's request taken apart: what may be stored, and what may not. All stages' requests have
/// the fields `stage` (with `key`), `request_id` and `validate_only`; they are found by name.
struct TakenRequest {
  /// Without request_id. With validate_only it is not stored, but handed to the stage, which then looks
  /// closer. stage.key is there when it is a reference; a literal key reads "[redacted]".
  std::unique_ptr<google::protobuf::Message> stored;
  /// As given: a reference, or the key itself; "" = none.
  std::string key;
  KeyKind key_kind = KeyKind::kNone;
  std::string request_id;
  bool validate_only = false;
  /// SHA-256 of the request's canonical form, without request_id and key.
  std::string digest;
};

/// kInvalidArgument, with what was seen and what is possible, for a request that is larger than any
/// needs to be: requests that wait are kept in memory.
absl::Status CheckSize(const google::protobuf::Message& request);

TakenRequest TakeApart(const google::protobuf::Message& request);

/// The field `stage` of a request; nullptr when it has none.
const v1::StageInput* StageInputOf(const google::protobuf::Message& request);

/// stage.key of a request; "" when it has none.
std::string KeyOf(const google::protobuf::Message& request);

/// The same bytes for equal messages (maps in the order of their keys).
std::string DeterministicBytes(const google::protobuf::Message& message);

}  // namespace trainyard::service
