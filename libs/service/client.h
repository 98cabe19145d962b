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
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"
#include "libs/service/status.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::service {

/// Deadline of a call that only asks or stores.
inline constexpr absl::Duration kCallDeadline = absl::Seconds(60);
/// Our servers send something on every stream within 20 s: one that is silent for this long is dead.
inline constexpr absl::Duration kStreamSilence = absl::Seconds(60);

/// A channel to `host:port` with keepalive; does not connect yet.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

/// Calls a unary method with a deadline:
///
///     auto stub = v1::TrainService::NewStub(channel);
///     absl::StatusOr<Operation> started =
///         service::Call(*stub, &v1::TrainService::Stub::Train, request);
///
/// The status has the details (StatusFrom).
struct CallOptions {
  /// Of each try.
  absl::Duration deadline = kCallDeadline;
  /// UNAVAILABLE and DEADLINE_EXCEEDED are tried again (4 tries, 0.2 s growing twofold, or what
  /// RetryInfo says): only for reads and for requests with a request_id, which are safe to repeat.
  bool retry = false;
  /// Ends the call with kCancelled.
  std::stop_token stop;
};
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(
    Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, const CallOptions& options = {});

/// Starts an operation: calls the method that takes this type of request, of the service in the proto
/// file of the request. As Call, but no stub is needed, so that callers may know a message alone.
/// kInternal for a message that no method takes.
absl::StatusOr<google::longrunning::Operation> StartOperation(
    const std::shared_ptr<grpc::Channel>& channel, const google::protobuf::Message& request,
    const CallOptions& options = {});

/// A new request_id (a random UUID, RFC 9562 version 4): with it, a request that is sent again, since
/// its answer was lost, starts nothing a second time.
std::string NewRequestId();

/// Whether somebody answers a health check, whatever the answer: kUnavailable or kDeadlineExceeded
/// when nobody does.
absl::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
                         const std::stop_token& stop = {});

/// How a stream is read.
struct StreamOptions {
  absl::Duration silence = kStreamSilence;
  absl::Duration timeout = absl::InfiniteDuration();
  std::stop_token stop;
};
/// Reads a stream of the server until it ends:
///
///     ReadStream<v1::WatchRunResponse>(
///         [&](auto* context, auto* queue) { return stub.PrepareAsyncWatchRun(context, request, queue); },
///         [&](const v1::WatchRunResponse& response) { return true; });
///
/// `each` gets every message, on the calling thread, and returns false when it needs no more. OK
/// then, and when the server ended the stream well; else its error. kCancelled after `stop`,
/// kDeadlineExceeded after `timeout`; IsSilence(status) when nothing came for `silence`.
template <typename Response, typename Open>
absl::Status ReadStream(Open open, const std::function<bool(const Response&)>& each,
                        const StreamOptions& options = {});
bool IsSilence(const absl::Status& status);

/// What an operation that is done came to: its StageResult, or its error as a status.
/// kFailedPrecondition when it is not done.
absl::StatusOr<v1::StageResult> ResultOf(const google::longrunning::Operation& operation);
/// The operation's metadata; empty when it has none of ours.
v1::OperationMetadata MetadataOf(const google::longrunning::Operation& operation);

/// Follows operations of one service, wherever they are owned: a redirect to the replica that owns
/// one is followed, a broken stream is opened again. kUnavailable, with the
/// owner's name and address, when that replica cannot be reached. Thread-safe.
class OperationClient {
 public:
  explicit OperationClient(std::shared_ptr<grpc::Channel> channel);

  absl::StatusOr<google::longrunning::Operation> Get(const std::string& name,
                                                     const std::stop_token& stop = {});
  absl::Status Cancel(const std::string& name, const std::stop_token& stop = {});

  /// Waits for the end and gives the operation as it ended. `update` gets each state, on the
  /// calling thread. A server that is away is waited for, `patience` long, since it takes the
  /// operation up again when it is back, perhaps at another address; kUnavailable after that.
  /// kCancelled when `stop` is requested (the operation goes on; Cancel it for the other).
  /// kDeadlineExceeded after `timeout`.
  ///
  /// A stream that is silent for `silence` is given up and the operation asked for, so that a stream
  /// that a server forgot does not keep its end from the caller. `away` hears, on the calling thread,
  /// of each try that found no server.
  struct WaitOptions {
    std::function<void(const v1::OperationMetadata&)> update;
    std::function<void(const absl::Status&)> away;
    std::stop_token stop;
    absl::Duration timeout = absl::InfiniteDuration();
    absl::Duration patience = absl::Seconds(60);
    absl::Duration silence = kStreamSilence;
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
  absl::StatusOr<Response> CallOwner(const Request& request, Method method,
                                     const std::stop_token& stop);
  static absl::StatusOr<google::longrunning::Operation> WatchOnce(
      const std::shared_ptr<grpc::Channel>& channel, Watch& watch);
  static absl::Status WhyOver(const Watch& watch);
  std::shared_ptr<grpc::Channel> channel_;
  std::shared_ptr<Owners> owners_;
};

namespace internal {
/// Whether to try again after `status`, and how long to wait before it.
bool RetryAfter(const absl::Status& status, int attempt, absl::Duration* delay);
/// Waits for `delay`; returns early, with false, when `stop` is requested.
bool WaitFor(absl::Duration delay, const std::stop_token& stop = {});
/// The one call of a queue: how its steps end.
class StreamSteps {
 public:
  StreamSteps(grpc::ClientContext& context, const StreamOptions& options);
  ~StreamSteps();
  grpc::CompletionQueue* queue() { return &queue_; }
  /// Waits for the step that was begun last; whether it went well. Hangs up after too long a silence.
  bool Await();
  /// What the stream came to, given its own end.
  absl::Status Conclude(const grpc::Status& status) const;

 private:
  grpc::ClientContext& context_;
  const StreamOptions& options_;
  grpc::CompletionQueue queue_;
  bool silent_ = false;
};
}  // namespace internal

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request, const CallOptions& options) {
  for (int attempt = 1;; ++attempt) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + options.deadline));
    const std::stop_callback hang_up(options.stop, [&context] { context.TryCancel(); });
    Response response;
    const absl::Status status = StatusFrom((stub.*method)(&context, request, &response));
    if (status.ok()) return response;
    absl::Duration delay;
    if (!options.retry || !internal::RetryAfter(status, attempt, &delay)) return status;
    if (!internal::WaitFor(delay, options.stop)) return status;
  }
}

template <typename Response, typename Open>
absl::Status ReadStream(Open open, const std::function<bool(const Response&)>& each,
                        const StreamOptions& options) {
  grpc::ClientContext context;
  internal::StreamSteps steps(context, options);
  const std::stop_callback hang_up(options.stop, [&context] { context.TryCancel(); });
  const std::unique_ptr<grpc::ClientAsyncReader<Response>> stream = open(&context, steps.queue());
  stream->StartCall(&steps);
  Response message;
  bool enough = false;
  for (bool more = steps.Await(); more;) {
    stream->Read(&message, &steps);
    more = steps.Await();
    if (!more || each(message)) continue;
    enough = true;
    more = false;
    context.TryCancel();
  }
  grpc::Status status;
  stream->Finish(&status, &steps);
  steps.Await();
  return enough ? absl::OkStatus() : steps.Conclude(status);
}

}  // namespace trainyard::service
