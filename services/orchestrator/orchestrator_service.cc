#include "services/orchestrator/orchestrator_service.h"

#include <memory>
#include <mutex>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/status.h"
#include "libs/service/unary.h"

namespace trainyard::orchestrator {
namespace {

template <typename Response>
absl::StatusOr<Response> Holding(absl::StatusOr<v1::Run> run) {
  if (!run.ok()) return run.status();
  Response response;
  *response.mutable_run() = *std::move(run);
  return response;
}

// Streams the states of a run, and the last one again with every beat. One write is under way at a
// time; changes meanwhile are skipped, since each message is a whole state. Owns itself until OnDone.
class RunWatcher : public grpc::ServerWriteReactor<v1::WatchRunResponse> {
 public:
  RunWatcher(std::shared_ptr<RunRecord> record, int64_t after_sequence, Heartbeat& heartbeat)
      : record_(std::move(record)) {
    if (const v1::Run run = record_->Snapshot();
        run.sequence() == after_sequence && !IsFinal(run.state())) {
      sent_version_ = record_->version();
    }
    subscription_ = record_->Subscribe([this] { Advance(); });
    beat_ = heartbeat.Add([this] { Advance(/*anyway=*/true); });
    Advance();
  }
  explicit RunWatcher(const absl::Status& status) { Finish(service::GrpcStatusFrom(status)); }

  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      broken_ = broken_ || !ok;
    }
    Advance();
  }
  void OnCancel() override {
    {
      const std::lock_guard lock(mutex_);
      broken_ = true;
    }
    Advance();
  }
  void OnDone() override {
    subscription_.reset();
    beat_.reset();
    delete this;
  }

 private:
  void Advance(bool anyway = false) {
    const std::lock_guard lock(mutex_);
    if (writing_ || finished_) return;
    if (broken_) return End(grpc::Status::CANCELLED);
    // Read before the snapshot: a change in between is sent twice rather than never.
    const int64_t version = record_->version();
    if (final_) return End(grpc::Status::OK);
    if (version == sent_version_ && !anyway) return;
    *response_.mutable_run() = record_->Snapshot();
    sent_version_ = version;
    final_ = IsFinal(response_.run().state());
    writing_ = true;
    StartWrite(&response_);
  }
  void End(const grpc::Status& status) {
    finished_ = true;
    Finish(status);
  }

  const std::shared_ptr<RunRecord> record_;
  std::mutex mutex_;
  bool writing_ = false;
  bool finished_ = false;
  bool broken_ = false;
  bool final_ = false;
  int64_t sent_version_ = 0;
  v1::WatchRunResponse response_;
  RunRecord::Subscription subscription_;
  Heartbeat::Subscription beat_;
};

}  // namespace

grpc::ServerUnaryReactor* OrchestratorService::StartRun(grpc::CallbackServerContext* context,
                                                        const v1::StartRunRequest* request,
                                                        v1::StartRunResponse* response) {
  // Held until the call is logged and answered: what a refusal repeats is redacted there.
  return service::Unary(start_pool_, context, "StartRun", response,
                        [this, request, secret = HoldSecret(request->key())] {
                          return Holding<v1::StartRunResponse>(runs_.Start(*request));
                        });
}

grpc::ServerUnaryReactor* OrchestratorService::GetRun(grpc::CallbackServerContext* context,
                                                      const v1::GetRunRequest* request,
                                                      v1::GetRunResponse* response) {
  return service::Unary(pool_, context, "GetRun", response,
                        [this, request]() -> absl::StatusOr<v1::GetRunResponse> {
                          TY_ASSIGN_OR_RETURN(const auto record, runs_.Find(request->name()));
                          return Holding<v1::GetRunResponse>(record->Snapshot());
                        });
}

grpc::ServerUnaryReactor* OrchestratorService::ListRuns(grpc::CallbackServerContext* context,
                                                        const v1::ListRunsRequest* request,
                                                        v1::ListRunsResponse* response) {
  return service::Unary(pool_, context, "ListRuns", response,
                        [this, request] { return runs_.List(*request); });
}

grpc::ServerUnaryReactor* OrchestratorService::CancelRun(grpc::CallbackServerContext* context,
                                                         const v1::CancelRunRequest* request,
                                                         v1::CancelRunResponse* response) {
  return service::Unary(pool_, context, "CancelRun", response, [this, request] {
    return Holding<v1::CancelRunResponse>(runs_.Cancel(request->name()));
  });
}

grpc::ServerWriteReactor<v1::WatchRunResponse>* OrchestratorService::WatchRun(
    grpc::CallbackServerContext*, const v1::WatchRunRequest* request) {
  // A look-up of a key in SQLite at most: short enough for gRPC's own thread.
  auto record = runs_.Find(request->name());
  if (!record.ok()) return new RunWatcher(record.status());
  return new RunWatcher(*std::move(record), request->after_sequence(), heartbeat_);
}

}  // namespace trainyard::orchestrator
