#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/display.h"
#include "cli/house.h"
#include "google/longrunning/operations.pb.h"
#include "libs/service/client.h"
#include "trainyard/v1/stage.pb.h"

namespace trainyard::cli {

/// What every command that talks to services needs.
struct Session {
  House::Options house;
  OutputOptions output;
  /// Submit, print the operation's name, and end.
  bool no_wait = false;
  /// Print what the service says of the request, and end.
  bool validate_only = false;
  std::string log_file;
};

/// Sends one stage request and follows its operation to the end:
///
///     return RunStage(session, "train", request,
///                     [](auto channel) { return v1::TrainService::NewStub(channel); },
///                     &v1::TrainService::Stub::Train);
///
/// Ctrl-C: an operation in this process is asked for its checkpoint and cancelled (a second one ends at
/// once); one elsewhere goes on, and how to follow or cancel it is printed. Returns the exit code.
template <typename Request, typename MakeStub, typename Method>
int RunStage(const Session& session, const std::string& service, Request request,
             MakeStub make_stub, Method method);

namespace internal {
using Submit = std::function<absl::StatusOr<google::longrunning::Operation>(
    const std::shared_ptr<grpc::Channel>&)>;
int RunSubmitted(const Session& session, const std::string& service, const Submit& submit);
}  // namespace internal

template <typename Request, typename MakeStub, typename Method>
int RunStage(const Session& session, const std::string& service, Request request,
             MakeStub make_stub, Method method) {
  request.set_validate_only(session.validate_only);
  return internal::RunSubmitted(
      session, service, [&](const std::shared_ptr<grpc::Channel>& channel) {
        auto stub = make_stub(channel);
        return service::Call(*stub, method, request);
      });
}

/// Sends the log of in-process services to `--log_file`, from level info on; stderr stays as it was when
/// there is none. kInvalidArgument when the file cannot be opened.
absl::Status OpenLogFile(const Session& session);

/// Adds an artifact reference when `uri` is not empty.
void AddInput(v1::StageInput& stage, const std::string& name, const std::string& uri);
void AddOutput(v1::StageInput& stage, const std::string& name, const std::string& uri);

/// Asks for SIGINT and SIGTERM on a thread of its own while it lives; blocks them for the threads that
/// are made after it. Make it first in main.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  /// Calls `handler` with 1 for the first signal, 2 for the second...; replaces an earlier one.
  void OnSignal(std::function<void(int count)> handler);
  int signal() const;
  static SignalWatch* Current();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trainyard::cli
