#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "grpcpp/channel.h"
#include "services/orchestrator/stage_client.h"

namespace trainyard::orchestrator {

/// The stage services over gRPC. Calls have deadlines and are not repeated here: the caller knows the
/// other addresses. Before a call an address is asked whether anybody is there, for a few seconds: one
/// that takes connections and says nothing is as good as none. Following goes over Watch and outlives a
/// restart of the service.
class GrpcStageClient : public StageClient {
 public:
  using ChannelMaker = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;
  /// `make_channel` is asked once per address; a process that holds the services itself gives
  /// in-process channels.
  explicit GrpcStageClient(ChannelMaker make_channel);
  GrpcStageClient();

  absl::StatusOr<Operation> Start(const std::string& address, const StageCall& call) override;
  absl::StatusOr<Operation> Follow(const std::string& address, const std::string& operation,
                                   const Listener& listener, std::stop_token stop) override;
  absl::Status Cancel(const std::string& address, const std::string& operation) override;
  absl::StatusOr<v1::GetCapabilitiesResponse> Capabilities(const std::string& address) override;
  void Shutdown() override { shutdown_.request_stop(); }

 private:
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address);
  absl::Status Reach(const std::string& address);

  const ChannelMaker make_channel_;
  std::stop_source shutdown_;
  std::mutex mutex_;
  struct Kept {
    std::shared_ptr<grpc::Channel> channel;
    // When it was asked for last, in asks.
    int64_t last_ask = 0;
  };
  std::map<std::string, Kept> channels_;
  int64_t asks_ = 0;
};

}  // namespace trainyard::orchestrator
