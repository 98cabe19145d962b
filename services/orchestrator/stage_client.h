#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/message.h"
#include "services/orchestrator/stage_kinds.h"
#include "trainyard/v1/capabilities.pb.h"
#include "trainyard/v1/operation.pb.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::orchestrator {

using google::longrunning::Operation;

/// One request to a stage service, whatever its kind.
struct StageCall {
  const StageKind* kind = nullptr;
  v1::StageInput stage;
  /// An instance of `kind->options`.
  std::shared_ptr<const google::protobuf::Message> options;
  std::string request_id;
  bool validate_only = false;
};

/// The orchestrator's way to the stage services; gRPC in the program, a fake in tests. Thread-safe.
class StageClient {
 public:
  virtual ~StageClient() = default;

  /// Sends the request to `address`. The call's own status; kUnavailable when nobody answers, the
  /// queue is full or the service drains.
  virtual absl::StatusOr<Operation> Start(const std::string& address, const StageCall& call) = 0;

  /// Waits for the end of an operation and returns it. `update` gets each state, on this thread.
  /// kNotFound: the service does not know it (any more); kUnavailable: the service stayed away for
  /// long; kCancelled: `stop` was requested (the operation goes on).
  virtual absl::StatusOr<Operation> Follow(
      const std::string& address, const std::string& operation,
      const std::function<void(const v1::OperationMetadata&)>& update, std::stop_token stop) = 0;

  /// Asks an operation to stop.
  virtual absl::Status Cancel(const std::string& address, const std::string& operation) = 0;

  virtual absl::StatusOr<v1::GetCapabilitiesResponse> Capabilities(const std::string& address) = 0;
};

}  // namespace trainyard::orchestrator
