#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/message.h"
#include "libs/stages/stage_kinds.h"
#include "trainyard/v1/capabilities.pb.h"
#include "trainyard/v1/operation.pb.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::orchestrator {

using google::longrunning::Operation;

/// One request to a stage service, whatever its kind.
struct StageCall {
  const stages::StageKind* kind = nullptr;
  v1::StageInput stage;
  /// An instance of `kind->options`.
  std::shared_ptr<const google::protobuf::Message> options;
  std::string request_id;
  bool validate_only = false;
  /// How long the service gets for its answer; one that is not there is noticed earlier.
  absl::Duration deadline = absl::Seconds(30);
};

/// The orchestrator's way to the stage services; gRPC in the program, a fake in tests. Thread-safe.
class StageClient {
 public:
  virtual ~StageClient() = default;

  /// Sends the request to `address`. The call's own status; kUnavailable when nobody is there within
  /// seconds, the queue is full or the service drains; kDeadlineExceeded when the service is there and
  /// did not answer in time: it may have taken the request.
  virtual absl::StatusOr<Operation> Start(const std::string& address, const StageCall& call) = 0;

  /// What a follower hears, on the thread that follows.
  struct Listener {
    /// Each state.
    std::function<void(const v1::OperationMetadata&)> update;
    /// The service does not answer, and is waited for.
    std::function<void(const absl::Status&)> away;
  };
  /// Waits for the end of an operation and returns it. kNotFound: the service does not know it (any
  /// more); kUnavailable: the service stayed away for long; kCancelled: `stop` was requested (the
  /// operation goes on).
  virtual absl::StatusOr<Operation> Follow(const std::string& address,
                                           const std::string& operation, const Listener& listener,
                                           std::stop_token stop) = 0;

  /// Asks an operation to stop. Returns within seconds when nobody is there.
  virtual absl::Status Cancel(const std::string& address, const std::string& operation) = 0;

  virtual absl::StatusOr<v1::GetCapabilitiesResponse> Capabilities(const std::string& address) = 0;

  /// Hangs up: all calls, those under way too, end as kCancelled soon.
  virtual void Shutdown() {}
};

}  // namespace trainyard::orchestrator
