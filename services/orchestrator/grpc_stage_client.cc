#include "services/orchestrator/grpc_stage_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "trainyard/v1/capabilities.grpc.pb.h"
#include "trainyard/v1/convert.grpc.pb.h"
#include "trainyard/v1/convert_engine.grpc.pb.h"
#include "trainyard/v1/export.grpc.pb.h"
#include "trainyard/v1/prune.grpc.pb.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);

// Makes the typed request and calls the method.
template <typename Service, typename Request, typename Method>
absl::StatusOr<Operation> Send(const std::shared_ptr<grpc::Channel>& channel,
                               const StageCall& call, Method method) {
  Request request;
  *request.mutable_stage() = call.stage;
  request.mutable_options()->MergeFrom(*call.options);
  request.set_request_id(call.request_id);
  request.set_validate_only(call.validate_only);
  const auto stub = Service::NewStub(channel);
  return service::Call(*stub, method, request);
}

using Sender = absl::StatusOr<Operation> (*)(const std::shared_ptr<grpc::Channel>&,
                                             const StageCall&);

const std::map<std::string, Sender>& Senders() {
  static const auto* const senders = new std::map<std::string, Sender>{
      {"augment",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ConvertService, v1::AugmentRequest>(channel, call,
                                                             &v1::ConvertService::Stub::Augment);
       }},
      {"convert",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ConvertService, v1::ConvertRequest>(channel, call,
                                                             &v1::ConvertService::Stub::Convert);
       }},
      {"train",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::TrainService, v1::TrainRequest>(channel, call,
                                                         &v1::TrainService::Stub::Train);
       }},
      {"evaluate",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::TrainService, v1::EvaluateRequest>(channel, call,
                                                            &v1::TrainService::Stub::Evaluate);
       }},
      {"infer",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::TrainService, v1::InferRequest>(channel, call,
                                                         &v1::TrainService::Stub::Infer);
       }},
      {"prune",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::PruneService, v1::PruneRequest>(channel, call,
                                                         &v1::PruneService::Stub::Prune);
       }},
      {"export",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ExportService, v1::ExportRequest>(channel, call,
                                                           &v1::ExportService::Stub::Export);
       }},
      {"build",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ConvertEngineService, v1::BuildRequest>(
             channel, call, &v1::ConvertEngineService::Stub::Build);
       }},
      {"evaluate_engine",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ConvertEngineService, v1::EvaluateEngineRequest>(
             channel, call, &v1::ConvertEngineService::Stub::EvaluateEngine);
       }},
      {"infer_engine",
       [](const std::shared_ptr<grpc::Channel>& channel, const StageCall& call) {
         return Send<v1::ConvertEngineService, v1::InferEngineRequest>(
             channel, call, &v1::ConvertEngineService::Stub::InferEngine);
       }},
  };
  return *senders;
}

}  // namespace

GrpcStageClient::GrpcStageClient(ChannelMaker make_channel)
    : make_channel_(std::move(make_channel)) {}

GrpcStageClient::GrpcStageClient() : GrpcStageClient(service::MakeChannel) {}

std::shared_ptr<grpc::Channel> GrpcStageClient::ChannelTo(const std::string& address) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) channel = make_channel_(address);
  return channel;
}

absl::StatusOr<Operation> GrpcStageClient::Start(const std::string& address,
                                                 const StageCall& call) {
  const auto sender = Senders().find(call.kind->name);
  if (sender == Senders().end()) {
    return absl::UnimplementedError(
        absl::StrCat("stage kind '", call.kind->name, "' has no method yet"));
  }
  auto operation = sender->second(ChannelTo(address), call);
  if (absl::IsUnavailable(operation.status())) {
    return Annotate(operation.status(), absl::StrCat(call.kind->service, " at '", address, "'"));
  }
  return operation;
}

absl::StatusOr<Operation> GrpcStageClient::Follow(
    const std::string& address, const std::string& operation,
    const std::function<void(const v1::OperationMetadata&)>& update, std::stop_token stop) {
  Operation watched;
  watched.set_name(operation);
  return service::OperationClient(ChannelTo(address))
      .Wait(watched, {.update = update, .stop = stop, .patience = kPatience});
}

absl::Status GrpcStageClient::Cancel(const std::string& address, const std::string& operation) {
  return service::OperationClient(ChannelTo(address)).Cancel(operation);
}

absl::StatusOr<v1::GetCapabilitiesResponse> GrpcStageClient::Capabilities(
    const std::string& address) {
  const auto stub = v1::CapabilitiesService::NewStub(ChannelTo(address));
  return service::Call(*stub, &v1::CapabilitiesService::Stub::GetCapabilities,
                       v1::GetCapabilitiesRequest());
}

}  // namespace trainyard::orchestrator
