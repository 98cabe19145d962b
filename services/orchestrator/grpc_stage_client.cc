#include "services/orchestrator/grpc_stage_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "trainyard/v1/capabilities.grpc.pb.h"

namespace trainyard::orchestrator {
namespace {

// How long an operation's service may be away before its stage looks elsewhere.
constexpr absl::Duration kPatience = absl::Minutes(2);
// That are kept for the next call.
constexpr size_t kMostChannels = 128;
// For the answer of a health check, which waits for nothing.
constexpr absl::Duration kReachDeadline = absl::Seconds(5);
// The first one starts a worker, which tells its devices.
constexpr absl::Duration kCapabilitiesDeadline = absl::Seconds(30);

}  // namespace

GrpcStageClient::GrpcStageClient(ChannelMaker make_channel)
    : make_channel_(std::move(make_channel)) {}

GrpcStageClient::GrpcStageClient() : GrpcStageClient(service::MakeChannel) {}

std::shared_ptr<grpc::Channel> GrpcStageClient::ChannelTo(const std::string& address) {
  const std::lock_guard lock(mutex_);
  Kept& kept = channels_[address];
  if (kept.channel == nullptr) kept.channel = make_channel_(address);
  kept.last_ask = ++asks_;
  std::shared_ptr<grpc::Channel> channel = kept.channel;
  if (channels_.size() > kMostChannels) {
    // Pipelines name any address. One that is in use lives on with its user.
    channels_.erase(std::min_element(
        channels_.begin(), channels_.end(),
        [](const auto& a, const auto& b) { return a.second.last_ask < b.second.last_ask; }));
  }
  return channel;
}

// kUnavailable unless somebody answers a health check at `address` within seconds.
absl::Status GrpcStageClient::Reach(const std::string& address) {
  const absl::Status status =
      service::CheckHealth(ChannelTo(address), kReachDeadline, shutdown_.get_token());
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::UnavailableError(
      absl::StrCat("nobody answered within ", absl::FormatDuration(kReachDeadline)));
}

absl::StatusOr<Operation> GrpcStageClient::Start(const std::string& address,
                                                 const StageCall& call) {
  const auto annotated = [&](const absl::Status& status) {
    return Annotate(status, absl::StrCat(call.kind->service, " at '", address, "'"));
  };
  if (const absl::Status reached = Reach(address); !reached.ok()) return annotated(reached);
  const auto request = call.kind->make_request(call.stage, *call.options, call.request_id,
                                               call.validate_only);
  auto operation = service::StartOperation(
      ChannelTo(address), *request, {.deadline = call.deadline, .stop = shutdown_.get_token()});
  if (absl::IsUnavailable(operation.status()) || absl::IsDeadlineExceeded(operation.status())) {
    return annotated(operation.status());
  }
  // gRPC's own word for a method that is not there has no text.
  if (absl::IsUnimplemented(operation.status()) && operation.status().message().empty()) {
    return annotated(absl::UnimplementedError("knows no such call; is another service there?"));
  }
  return operation;
}

absl::StatusOr<Operation> GrpcStageClient::Follow(
    const std::string& address, const std::string& operation, const Listener& listener,
    std::stop_token stop) {
  Operation watched;
  watched.set_name(operation);
  return service::OperationClient(ChannelTo(address))
      .Wait(watched, {.update = listener.update,
                      .away = listener.away,
                      .stop = stop,
                      .patience = kPatience});
}

absl::Status GrpcStageClient::Cancel(const std::string& address, const std::string& operation) {
  TY_RETURN_IF_ERROR(Reach(address));
  return service::OperationClient(ChannelTo(address)).Cancel(operation, shutdown_.get_token());
}

absl::StatusOr<v1::GetCapabilitiesResponse> GrpcStageClient::Capabilities(
    const std::string& address) {
  TY_RETURN_IF_ERROR(Reach(address));
  const auto stub = v1::CapabilitiesService::NewStub(ChannelTo(address));
  return service::Call(*stub, &v1::CapabilitiesService::Stub::GetCapabilities,
                       v1::GetCapabilitiesRequest(),
                       {.deadline = kCapabilitiesDeadline, .stop = shutdown_.get_token()});
}

}  // namespace trainyard::orchestrator
