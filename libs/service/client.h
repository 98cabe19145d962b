#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/longrunning/operations.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "libs/service/status.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::service {

/// Deadline of a call that only asks or stores.
inline constexpr absl::Duration kCallDeadline = absl::Seconds(60);

/// A channel to `host:port` with keepalive; does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

/// Calls a unary method with a deadline:
///
///     auto stub = v1::TrainService::NewStub(channel);
///     absl::StatusOr<Operation> started =
///         service::Call(*stub, &v1::TrainService::Stub::Train, request);
///
/// UNAVAILABLE is tried again (4 times, 0.2 s growing twofold, or what RetryInfo says) when
/// `retry`: only for reads and for requests with a request_id. The status has the details
/// (StatusFrom).
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(
    Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, absl::Duration deadline = kCallDeadline, bool retry = false);

/// What an operation that is done came to: its StageResult, or its error as a status.
/// kFailedPrecondition when it is not done.
absl::StatusOr<v1::StageResult> ResultOf(const google::longrunning::Operation& operation);
/// The operation's metadata; empty when it has none of ours.
v1::OperationMetadata MetadataOf(const google::longrunning::Operation& operation);

/// Follows operations of one service, wherever they are owned: a redirect to the replica that owns
/// one (decisions.md B5) is followed, a broken stream is opened again. kUnavailable, with the
/// owner's name and address, when that replica cannot be reached. Thread-safe.
class OperationClient {
 public:
  explicit OperationClient(std::shared_ptr<grpc::Channel> channel);

  absl::StatusOr<google::longrunning::Operation> Get(const std::string& name);
  absl::Status Cancel(const std::string& name);

  /// Waits for the end and gives the operation as it ended. `update` gets each state, on the
  /// calling thread. A server that is away is waited for, `patience` long, since it takes the
  /// operation up again when it is back, perhaps at another address; kUnavailable after that.
  /// kCancelled when `stop` is requested (the operation goes on; Cancel it for the other).
  /// kDeadlineExceeded after `timeout`.
  struct WaitOptions {
    std::function<void(const v1::OperationMetadata&)> update;
    std::stop_token stop;
    absl::Duration timeout = absl::InfiniteDuration();
    absl::Duration patience = absl::Seconds(60);
  };
  absl::StatusOr<google::longrunning::Operation> Wait(
      const google::longrunning::Operation& operation, const WaitOptions& options);
  absl::StatusOr<google::longrunning::Operation> Wait(
      const google::longrunning::Operation& operation) {
    return Wait(operation, WaitOptions());
  }

 private:
  struct Owners;
  struct Watch;
  std::shared_ptr<grpc::Channel> ChannelFor(const std::string& address);
  template <typename Response, typename Request, typename Method>
  absl::StatusOr<Response> CallOwner(const Request& request, Method method);
  static absl::StatusOr<google::longrunning::Operation> WatchOnce(
      const std::shared_ptr<grpc::Channel>& channel, Watch& watch);
  static absl::Status WhyOver(const Watch& watch);
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<Owners> owners_;
};

namespace internal {
/// Whether to try again after `status`, and how long to wait before it.
bool RetryAfter(const absl::Status& status, int attempt, absl::Duration* delay);
/// Waits for `delay` (a gRPC deadline, not a poll).
void WaitFor(absl::Duration delay);
}  // namespace internal

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request, absl::Duration deadline, bool retry) {
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    Response response;
    const absl::Status status = StatusFrom((stub.*method)(&context, request, &response));
    if (status.ok()) return response;
    absl::Duration delay;
    if (!retry || !internal::RetryAfter(status, attempt, &delay)) return status;
    internal::WaitFor(delay);
  }
}

}  // namespace trainyard::service
