#include "libs/service/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/descriptor.h"
#include "grpc/health/v1/health.grpc.pb.h"
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
  return absl::IsUnavailable(status) || absl::IsUnknown(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) || absl::IsInternal(status);
}

// Where a redirect leads; "" when `status` is none, or does not know.
std::string OwnerIn(const absl::Status& status) {
  return worker::ReasonOf(status) == "WRONG_REPLICA" ? worker::ReasonValueOf(status, "owner") : "";
}

// Delays must not change when somebody sets the clock.
absl::Duration SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

gpr_timespec SteadyDeadline(absl::Duration delay) {
  if (delay == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_millis(absl::ToInt64Milliseconds(delay), GPR_TIMESPAN));
}

// For a question while a stream is silent: the answer needs no work.
constexpr absl::Duration kQuestionDeadline = absl::Seconds(10);
constexpr char kSilence[] = "STREAM_SILENT";

// Of the method that takes this type of request: "/trainyard.v1.TrainService/Train". "" when its file
// declares none.
std::string PathOf(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int i = 0; i < file.service_count(); ++i) {
    for (int j = 0; j < file.service(i)->method_count(); ++j) {
      const google::protobuf::MethodDescriptor& method = *file.service(i)->method(j);
      if (method.input_type() != &request) continue;
      return absl::StrCat("/", method.service()->full_name(), "/", method.name());
    }
  }
  return "";
}

// A method as a generated stub has it, known by its path.
struct MethodStub {
  const std::shared_ptr<grpc::Channel> channel;
  const std::string path;

  grpc::Status Start(grpc::ClientContext* context, const google::protobuf::Message& request,
                     Operation* operation) {
    const grpc::internal::RpcMethod method(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC);
    return grpc::internal::BlockingUnaryCall<google::protobuf::Message, Operation,
                                             google::protobuf::MessageLite,
                                             google::protobuf::MessageLite>(
        channel.get(), method, context, request, operation);
  }
};

}  // namespace

namespace internal {

bool RetryAfter(const absl::Status& status, int attempt, absl::Duration* delay) {
  const bool may_pass = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!may_pass || attempt >= kMostAttempts) return false;
  const absl::Duration asked = worker::RetryOf(status);
  *delay = asked >= absl::ZeroDuration() ? asked : Backoff(attempt);
  return true;
}

bool WaitFor(absl::Duration delay, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock<std::mutex> lock(mutex);
  never.wait_for(lock, stop, absl::ToChronoNanoseconds(delay), [] { return false; });
  return !stop.stop_requested();
}

StreamSteps::StreamSteps(grpc::ClientContext& context, const StreamOptions& options)
    : context_(context), options_(options) {
  if (options.timeout != absl::InfiniteDuration()) {
    context.set_deadline(SteadyDeadline(options.timeout));
  }
}

StreamSteps::~StreamSteps() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool StreamSteps::Await() {
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, SteadyDeadline(options_.silence)) ==
      grpc::CompletionQueue::TIMEOUT) {
    silent_ = true;
    context_.TryCancel();
    // The step ends now that the call is cancelled.
    queue_.Next(&tag, &ok);
  }
  return ok;
}

absl::Status StreamSteps::Conclude(const grpc::Status& status) const {
  if (!silent_) return StatusFrom(status);
  return worker::WithReason(absl::UnavailableError(absl::StrCat(
                                "nothing was heard for ", absl::FormatDuration(options_.silence))),
                            kSilence);
}

}  // namespace internal

absl::StatusOr<Operation> StartOperation(const std::shared_ptr<grpc::Channel>& channel,
                                         const google::protobuf::Message& request,
                                         const CallOptions& options) {
  MethodStub stub{channel, PathOf(*request.GetDescriptor())};
  if (stub.path.empty()) {
    return absl::InternalError(absl::StrCat(request.GetTypeName(), " is taken by no method"));
  }
  return Call(stub, &MethodStub::Start, request, options);
}

std::string NewRequestId() {
  std::random_device random;
  std::array<uint32_t, 4> words;
  for (uint32_t& word : words) word = random();
  words[1] = (words[1] & 0xffff0fff) | 0x4000;      // version 4
  words[2] = (words[2] & 0x3fffffff) | 0x80000000;  // the variant of RFC 9562
  return absl::StrFormat("%08x-%04x-%04x-%04x-%04x%08x", words[0], words[1] >> 16,
                         words[1] & 0xffff, words[2] >> 16, words[2] & 0xffff, words[3]);
}

bool IsSilence(const absl::Status& status) { return worker::ReasonOf(status) == kSilence; }

absl::Status CheckHealth(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
                         const std::stop_token& stop) {
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  const auto answer = Call(*stub, &grpc::health::v1::Health::Stub::Check,
                           grpc::health::v1::HealthCheckRequest(),
                           {.deadline = deadline, .stop = stop});
  const absl::Status& status = answer.status();
  const bool nobody = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
                      absl::IsCancelled(status);
  return nobody ? status : absl::OkStatus();
}

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
  if (operation.has_error()) return worker::StatusFromRpc(operation.error());
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

template <typename Response, typename Request, typename Method>
absl::StatusOr<Response> OperationClient::CallOwner(const Request& request, Method method,
                                                    const std::stop_token& stop) {
  const auto ask = [&](const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = Operations::NewStub(channel);
    return Call(*stub, method, request, {.deadline = kQuestionDeadline, .retry = true, .stop = stop});
  };
  auto answer = ask(channel_);
  const std::string owner = OwnerIn(answer.status());
  if (owner.empty()) return answer;
  const std::string replica = worker::ReasonValueOf(answer.status(), "replica");
  answer = ask(ChannelFor(owner));
  if (!absl::IsUnavailable(answer.status())) return answer;
  return Annotate(answer.status(),
                  absl::StrCat("replica '", replica, "' at ", owner, ", which owns '",
                               request.name(), "', cannot be reached"));
}

absl::StatusOr<Operation> OperationClient::Get(const std::string& name,
                                               const std::stop_token& stop) {
  google::longrunning::GetOperationRequest request;
  request.set_name(name);
  return CallOwner<Operation>(request, &Operations::Stub::GetOperation, stop);
}

absl::Status OperationClient::Cancel(const std::string& name, const std::stop_token& stop) {
  google::longrunning::CancelOperationRequest request;
  request.set_name(name);
  return CallOwner<google::protobuf::Empty>(request, &Operations::Stub::CancelOperation, stop)
      .status();
}

// What is known of an operation from one stream to the next.
struct OperationClient::Watch {
  const std::string& name;
  const WaitOptions& options;
  absl::Duration begun = SteadyNow();
  absl::Duration heard = begun;
  int64_t sequence = 0;
  int failures = 0;

  absl::Duration left() const { return options.timeout - (SteadyNow() - begun); }
  void Hear(const Operation& operation) {
    heard = SteadyNow();
    failures = 0;
    const v1::OperationMetadata metadata = MetadataOf(operation);
    sequence = std::max(sequence, metadata.sequence());
    if (options.update) options.update(metadata);
  }
};

// Reads one stream to its end, which is an error unless it is the operation's end, too.
absl::StatusOr<Operation> OperationClient::WatchOnce(const std::shared_ptr<grpc::Channel>& channel,
                                                     Watch& watch) {
  v1::WatchOperationRequest request;
  request.set_name(watch.name);
  request.set_after_sequence(watch.sequence);
  const auto stub = v1::OperationWatchService::NewStub(channel);
  Operation last;
  const absl::Status status = ReadStream<v1::WatchOperationResponse>(
      [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
        return stub->PrepareAsyncWatchOperation(context, request, queue);
      },
      [&](const v1::WatchOperationResponse& state) {
        watch.Hear(state.operation());
        last = state.operation();
        return !last.done();
      },
      {.silence = watch.options.silence, .timeout = watch.left(), .stop = watch.options.stop});
  if (last.done()) return last;
  return status.ok() ? absl::UnavailableError("the server goes away") : status;
}

// Why the caller does not want to wait any longer; OK when it does.
absl::Status OperationClient::WhyOver(const Watch& watch) {
  if (watch.options.stop.stop_requested()) {
    return absl::CancelledError(absl::StrCat("no longer waiting for '", watch.name, "'"));
  }
  if (watch.left() > absl::ZeroDuration()) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("'", watch.name, "' did not end within ",
                                                  absl::FormatDuration(watch.options.timeout)));
}

absl::StatusOr<Operation> OperationClient::Wait(const Operation& operation,
                                                const WaitOptions& options) {
  if (operation.done()) return operation;
  Watch watch{.name = operation.name(), .options = options};
  std::shared_ptr<grpc::Channel> channel = channel_, other = channel_;
  while (true) {
    auto ended = WatchOnce(channel, watch);
    if (ended.ok()) return ended;
    absl::Status status = ended.status();
    TY_RETURN_IF_ERROR(WhyOver(watch));
    if (worker::ReasonOf(status) == "WRONG_REPLICA") {
      std::string owner = OwnerIn(status);
      if (owner.empty()) owner = MetadataOf(operation).owner_address();
      if (owner.empty() || channel != channel_) return status;
      other = std::exchange(channel, ChannelFor(owner));
      continue;
    }
    if (IsSilence(status)) {
      // Either nobody is there, or a stream was forgotten, whose operation may be done.
      auto asked = Get(watch.name, options.stop);
      TY_RETURN_IF_ERROR(WhyOver(watch));
      if (asked.ok()) watch.Hear(*asked);
      if (asked.ok() && asked->done()) return asked;
      status = asked.status();
      if (asked.ok()) continue;
    }
    if (!MayComeBack(status)) return status;
    if (SteadyNow() - watch.heard > options.patience) {
      return absl::UnavailableError(absl::StrCat("lost the service of '", operation.name(),
                                                 "' for ", absl::FormatDuration(options.patience),
                                                 ": ", status.message()));
    }
    if (options.away) options.away(status);
    internal::WaitFor(Backoff(++watch.failures), options.stop);
    // An owner that is away may come back elsewhere: the next one to be asked knows where.
    std::swap(channel, other);
  }
}

}  // namespace trainyard::service
