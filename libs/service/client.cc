#include "libs/service/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "libs/base/status.h"
#include "trainyard/v1/operation.grpc.pb.h"

namespace trainyard::service {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;

constexpr int kMostAttempts = 4;
constexpr absl::Duration kFirstBackoff = absl::Milliseconds(200);
constexpr absl::Duration kMostBackoff = absl::Seconds(5);
constexpr int kKeepaliveMs = 30000;
constexpr int kKeepaliveTimeoutMs = 10000;
constexpr int kMostMessageBytes = 16 << 20;

absl::Duration Backoff(int attempt) {
  absl::Duration delay = kFirstBackoff;
  for (int i = 1; i < attempt && delay < kMostBackoff; ++i) delay *= 2;
  return std::min(delay, kMostBackoff);
}

// Whether the server may be back later; all else is an answer.
bool MayComeBack(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsUnknown(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status) || absl::IsInternal(status);
}

// False when `stop` was requested first.
bool Rest(absl::Duration delay, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock<std::mutex> lock(mutex);
  never.wait_for(lock, stop, absl::ToChronoNanoseconds(delay), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace

namespace internal {

bool RetryAfter(const absl::Status& status, int attempt, absl::Duration* delay) {
  if (!absl::IsUnavailable(status) || attempt >= kMostAttempts) return false;
  const absl::Duration asked = RetryOf(status);
  *delay = asked >= absl::ZeroDuration() ? asked : Backoff(attempt);
  return true;
}

void WaitFor(absl::Duration delay) { absl::SleepFor(delay); }

}  // namespace internal

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // Else the pings of a silent stream stop after two.
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A service that was restarted is found again within seconds, not minutes.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

absl::StatusOr<v1::StageResult> ResultOf(const Operation& operation) {
  if (!operation.done()) {
    return absl::FailedPreconditionError(
        absl::StrCat("operation '", operation.name(), "' is not done"));
  }
  if (operation.has_error()) return StatusFromRpc(operation.error());
  v1::StageResult result;
  if (operation.response().UnpackTo(&result)) return result;
  return absl::InternalError(absl::StrCat("operation '", operation.name(), "' answers with '",
                                          operation.response().type_url(), "', not a StageResult"));
}

v1::OperationMetadata MetadataOf(const Operation& operation) {
  v1::OperationMetadata metadata;
  operation.metadata().UnpackTo(&metadata);
  return metadata;
}

// Channels to replicas that were named by a redirect.
struct OperationClient::Owners {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
};

OperationClient::OperationClient(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)), owners_(std::make_shared<Owners>()) {}

std::shared_ptr<grpc::Channel> OperationClient::ChannelFor(const std::string& address) {
  const std::lock_guard<std::mutex> lock(owners_->mutex);
  std::shared_ptr<grpc::Channel>& channel = owners_->channels[address];
  if (channel == nullptr) channel = MakeChannel(address);
  return channel;
}

absl::StatusOr<Operation> OperationClient::Get(const std::string& name) {
  google::longrunning::GetOperationRequest request;
  request.set_name(name);
  const auto ask = [&request](const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = Operations::NewStub(channel);
    return Call(*stub, &Operations::Stub::GetOperation, request, kCallDeadline, /*retry=*/true);
  };
  const auto operation = ask(channel_);
  const std::string owner = ReasonValueOf(operation.status(), "owner");
  return owner.empty() ? operation : ask(ChannelFor(owner));
}

absl::Status OperationClient::Cancel(const std::string& name) {
  google::longrunning::CancelOperationRequest request;
  request.set_name(name);
  const auto ask = [&request](const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = Operations::NewStub(channel);
    return Call(*stub, &Operations::Stub::CancelOperation, request, kCallDeadline, /*retry=*/true)
        .status();
  };
  const absl::Status status = ask(channel_);
  const std::string owner = ReasonValueOf(status, "owner");
  return owner.empty() ? status : ask(ChannelFor(owner));
}

absl::StatusOr<Operation> OperationClient::Wait(const Operation& operation,
                                                const WaitOptions& options) {
  if (operation.done()) return operation;
  const absl::Time deadline = absl::Now() + options.timeout;
  absl::Time heard = absl::Now();
  int64_t sequence = 0;
  int failures = 0;
  std::shared_ptr<grpc::Channel> channel = channel_;
  const std::string known_owner = MetadataOf(operation).owner_address();
  while (true) {
    grpc::ClientContext context;
    if (deadline != absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
    const std::stop_callback hang_up(options.stop, [&context] { context.TryCancel(); });
    v1::WatchOperationRequest request;
    request.set_name(operation.name());
    request.set_after_sequence(sequence);
    const auto stub = v1::OperationWatchService::NewStub(channel);
    const auto stream = stub->WatchOperation(&context, request);
    v1::WatchOperationResponse state;
    while (stream->Read(&state)) {
      heard = absl::Now();
      failures = 0;
      sequence = state.sequence();
      if (options.update) options.update(MetadataOf(state.operation()));
      if (state.operation().done()) {
        context.TryCancel();
        return state.operation();
      }
    }
    const absl::Status status = StatusFrom(stream->Finish());
    if (options.stop.stop_requested()) {
      return absl::CancelledError(absl::StrCat("no longer waiting for '", operation.name(), "'"));
    }
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat("'", operation.name(), "' did not end within ",
                                                      absl::FormatDuration(options.timeout)));
    }
    if (ReasonOf(status) == "WRONG_REPLICA") {
      std::string owner = ReasonValueOf(status, "owner");
      if (owner.empty()) owner = known_owner;
      if (owner.empty() || channel != channel_) return status;
      channel = ChannelFor(owner);
      continue;
    }
    // A stream that ends well without the end of the operation is a server that goes away.
    if (!status.ok() && !MayComeBack(status)) return status;
    if (absl::Now() - heard > options.patience) {
      return absl::UnavailableError(absl::StrCat("lost the service of '", operation.name(), "' for ",
                                                 absl::FormatDuration(options.patience), ": ",
                                                 status.message()));
    }
    Rest(Backoff(++failures), options.stop);
  }
}

}  // namespace trainyard::service
