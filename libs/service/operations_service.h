#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "google/longrunning/operations.grpc.pb.h"
#include "libs/service/operations.h"
#include "libs/service/pool.h"
#include "trainyard/v1/capabilities.grpc.pb.h"
#include "trainyard/v1/operation.grpc.pb.h"

namespace trainyard::service {

/// How often a silent stream says that it lives.
inline constexpr std::chrono::steady_clock::duration kWatchHeartbeat = std::chrono::seconds(20);

/// google.longrunning.Operations over an OperationManager; all outlive this. `pool` is not the one of
/// calls that start work, which may block. Waiting blocks no thread. `watch_pool` has one thread, is
/// held until the operations have begun, and runs nothing that blocks.
class OperationsService final : public google::longrunning::Operations::CallbackService {
 public:
  OperationsService(OperationManager& operations, Pool& pool, Pool& watch_pool)
      : operations_(operations), pool_(pool), watch_pool_(watch_pool) {}

  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context,
                                         const google::longrunning::GetOperationRequest* request,
                                         Operation* response) override;
  grpc::ServerUnaryReactor* ListOperations(
      grpc::CallbackServerContext* context,
      const google::longrunning::ListOperationsRequest* request,
      google::longrunning::ListOperationsResponse* response) override;
  grpc::ServerUnaryReactor* CancelOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::CancelOperationRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DeleteOperation(
      grpc::CallbackServerContext* context,
      const google::longrunning::DeleteOperationRequest* request,
      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* WaitOperation(grpc::CallbackServerContext* context,
                                          const google::longrunning::WaitOperationRequest* request,
                                          Operation* response) override;

 private:
  OperationManager& operations_;
  Pool& pool_;
  Pool& watch_pool_;
};

/// Streams the states of operations. `watch_pool` is as for OperationsService.
class WatchService final : public v1::OperationWatchService::CallbackService {
 public:
  WatchService(OperationManager& operations, Pool& watch_pool,
               std::chrono::steady_clock::duration heartbeat = kWatchHeartbeat)
      : operations_(operations), watch_pool_(watch_pool), heartbeat_(heartbeat) {}

  grpc::ServerWriteReactor<v1::WatchOperationResponse>* WatchOperation(
      grpc::CallbackServerContext* context, const v1::WatchOperationRequest* request) override;

 private:
  OperationManager& operations_;
  Pool& watch_pool_;
  std::chrono::steady_clock::duration heartbeat_;
};

/// Answers with what it was made with, and the devices that `worker` tells of ("" = none). The worker is
/// asked at the first call, for that takes a second where there is a GPU; again after a failure, which
/// is logged and leaves the devices out.
class CapabilitiesServer final : public v1::CapabilitiesService::CallbackService {
 public:
  CapabilitiesServer(Pool& pool, v1::GetCapabilitiesResponse capabilities, std::string worker)
      : pool_(pool), worker_(std::move(worker)), capabilities_(std::move(capabilities)) {}

  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context,
                                            const v1::GetCapabilitiesRequest* request,
                                            v1::GetCapabilitiesResponse* response) override;

 private:
  v1::GetCapabilitiesResponse WithDevices();

  Pool& pool_;
  const std::string worker_;
  std::mutex mutex_;
  v1::GetCapabilitiesResponse capabilities_;
};

}  // namespace trainyard::service
