#pragma once

#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "libs/service/pool.h"
#include "services/orchestrator/heartbeat.h"
#include "services/orchestrator/orchestrator.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::orchestrator {

/// The gRPC face of an orchestrator.
class OrchestratorService final : public v1::OrchestratorService::CallbackService {
 public:
  /// `pool` outlives this object. A stream says something at least every `heartbeat`.
  OrchestratorService(std::unique_ptr<Orchestrator> orchestrator, service::Pool& pool,
                      absl::Duration heartbeat = absl::Seconds(20))
      : orchestrator_(std::move(orchestrator)),
        runs_(orchestrator_->runs()),
        pool_(pool),
        heartbeat_(heartbeat) {}

  grpc::ServerUnaryReactor* StartRun(grpc::CallbackServerContext* context,
                                     const v1::StartRunRequest* request,
                                     v1::StartRunResponse* response) override;
  grpc::ServerUnaryReactor* GetRun(grpc::CallbackServerContext* context,
                                   const v1::GetRunRequest* request,
                                   v1::GetRunResponse* response) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* response) override;
  grpc::ServerUnaryReactor* CancelRun(grpc::CallbackServerContext* context,
                                      const v1::CancelRunRequest* request,
                                      v1::CancelRunResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRunResponse>* WatchRun(
      grpc::CallbackServerContext* context, const v1::WatchRunRequest* request) override;

 private:
  static constexpr int kStartThreads = 16;
  const std::unique_ptr<Orchestrator> orchestrator_;
  Runs& runs_;
  service::Pool& pool_;
  // Starts ask services that may not answer: nobody else waits behind them.
  service::Pool start_pool_{kStartThreads};
  Heartbeat heartbeat_;
};

}  // namespace trainyard::orchestrator
