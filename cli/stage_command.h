#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/session.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/message.h"
#include "libs/service/client.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::cli {

/// Adds an artifact reference when `uri` is not empty.
void AddInput(v1::StageInput& stage, const std::string& name, const std::string& uri);
void AddOutput(v1::StageInput& stage, const std::string& name, const std::string& uri);

/// A spec file for a request: read here, so that errors name the file as the user typed it.
absl::Status ReadSpecInto(v1::StageInput& stage, const std::string& path,
                          const std::vector<std::string>& overrides);

/// Shows an operation until its end and gives the exit code of that. Ctrl-C: one at an address
/// `elsewhere` goes on, and how to come back to it is printed; with "", when it ends with this
/// process, it is asked for its checkpoint and cancelled. `label` is for progress lines; `words`
/// are those of the command that started it.
int FollowOperation(const OutputOptions& output, const std::string& label,
                    const std::string& elsewhere, const std::shared_ptr<grpc::Channel>& channel,
                    const google::longrunning::Operation& operation,
                    const FlagWords& words = {});

/// A start has a request_id, so one whose answer was lost is sent again.
inline const service::CallOptions kStart = {.deadline = absl::Seconds(20), .retry = true};

namespace internal {
int RunRequest(const Session& session, const google::protobuf::Message& request);
}  // namespace internal

/// Sends a request of a stage to its service and follows the operation; returns the exit code.
template <typename Request>
int RunStage(const Session& session, Request request) {
  request.set_validate_only(session.validate_only);
  request.set_request_id(service::NewRequestId());
  return internal::RunRequest(session, request);
}

}  // namespace trainyard::cli
