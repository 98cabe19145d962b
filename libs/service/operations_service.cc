#include "libs/service/operations_service.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/status.h"
#include "libs/service/unary.h"
#include "libs/worker/devices.h"

namespace trainyard::service {
namespace {

using google::protobuf::Empty;

constexpr int64_t kLongestWaitSeconds = 365 * 24 * 3600;
constexpr auto kUntold = std::chrono::seconds(1);

int64_t SequenceOf(const Operation& operation) {
  v1::OperationMetadata metadata;
  operation.metadata().UnpackTo(&metadata);
  return metadata.sequence();
}

absl::Status DrainingStatus() {
  return worker::WithRetry(
      worker::WithReason(absl::UnavailableError("the service drains; connect again"), "DRAINING"),
      absl::Seconds(2));
}

using Subscription = std::shared_ptr<OperationManager::Subscription>;

// Waits for an operation on behalf of one call. Shared by the call, the subscription and the timer;
// whichever of end, deadline, drain and hanging up comes first finishes the call, once. Looks on a
// pool of one thread only, so that nothing in it needs a lock. It subscribes there too: before the
// operations have begun, when a call may come already, there is nothing to subscribe to.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  Waiter(OperationManager& operations, Pool& pool, std::string name,
         Pool::Clock::time_point deadline, grpc::ServerUnaryReactor* reactor, Operation* response)
      : operations_(operations), pool_(pool), name_(std::move(name)), deadline_(deadline),
        reactor_(reactor), response_(response) {}

  void Post() {
    pool_.Run([self = shared_from_this()] { self->Look(); });
  }
  void HungUp() {
    hung_up_ = true;
    Post();
  }

 private:
  void Look() {
    if (reactor_ == nullptr) return;
    if (hung_up_) return End(grpc::Status(grpc::StatusCode::CANCELLED, "the caller hung up"));
    // Before the state is read: what changes in between posts another look.
    if (subscription_ == nullptr) {
      subscription_ = operations_.Subscribe(name_, [self = shared_from_this()] { self->Post(); });
    }
    const auto operation = operations_.Get(name_);
    const bool over = !operation.ok() || operation->done() || operations_.draining() ||
                      Pool::Clock::now() >= deadline_;
    if (!over) return LookLater();
    if (operation.ok()) *response_ = *operation;
    End(GrpcStatusFrom(operation.status()));
  }
  void LookLater() {
    // Nobody tells of its changes: it is another process's now.
    if (subscription_ == nullptr) {
      pool_.RunAt(Pool::Clock::now() + kUntold, [self = shared_from_this()] { self->Look(); });
    }
    if (at_deadline_.has_value() || deadline_ == Pool::Clock::time_point::max()) return;
    at_deadline_ = pool_.RunAt(deadline_, [self = shared_from_this()] { self->Look(); });
  }
  // Leaves nothing behind: the operation and the deadline may be days away.
  void End(const grpc::Status& status) {
    subscription_.reset();
    if (at_deadline_.has_value()) pool_.Forget(*at_deadline_);
    std::exchange(reactor_, nullptr)->Finish(status);
  }

  OperationManager& operations_;
  Pool& pool_;
  const std::string name_;
  const Pool::Clock::time_point deadline_;
  grpc::ServerUnaryReactor* reactor_;
  Operation* response_;
  Subscription subscription_;
  std::optional<Pool::Appointment> at_deadline_;
  std::atomic<bool> hung_up_ = false;
};

// The default reactor would not hear that the caller hangs up.
class WaitReactor final : public grpc::ServerUnaryReactor {
 public:
  WaitReactor(OperationManager& operations, Pool& pool, std::string name,
              Pool::Clock::time_point deadline, Operation* response)
      : waiter_(std::make_shared<Waiter>(operations, pool, std::move(name), deadline, this,
                                         response)) {
    waiter_->Post();
  }
  void OnCancel() override { waiter_->HungUp(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<Waiter> waiter_;
};

class WatchReactor;

// What a stream and its subscription share. All decisions are made in Pump, on the pool of one
// thread, so that gRPC is never called with a lock held.
class WatchState : public std::enable_shared_from_this<WatchState> {
 public:
  WatchState(OperationManager& operations, Pool& pool, const v1::WatchOperationRequest& request,
             Pool::Clock::duration heartbeat, WatchReactor* reactor)
      : operations_(operations), pool_(pool), name_(request.name()), sent_(request.after_sequence()),
        heartbeat_(heartbeat), reactor_(reactor) {}

  void Begin() {
    BeatLater();
    Post();
  }
  void Post() {
    pool_.Run([self = shared_from_this()] { self->Pump(); });
  }
  void Written(bool ok);
  void HungUp();
  void Pump();

 private:
  enum class Step { kNothing, kWrite, kFinish };
  Step DecideLocked(grpc::Status* status);
  void BeatLater();
  void Beat();

  OperationManager& operations_;
  Pool& pool_;
  const std::string name_;
  int64_t sent_;
  const Pool::Clock::duration heartbeat_;
  std::mutex mutex_;
  WatchReactor* reactor_;  // null once finished
  Subscription subscription_;
  v1::WatchOperationResponse message_;
  Pool::Clock::time_point last_write_ = Pool::Clock::now();
  bool writing_ = false;
  bool hung_up_ = false;
  bool said_end_ = false;
};

class WatchReactor final : public grpc::ServerWriteReactor<v1::WatchOperationResponse> {
 public:
  WatchReactor(OperationManager& operations, Pool& pool, const v1::WatchOperationRequest& request,
               Pool::Clock::duration heartbeat)
      : state_(std::make_shared<WatchState>(operations, pool, request, heartbeat, this)) {
    state_->Begin();
  }
  void OnWriteDone(bool ok) override { state_->Written(ok); }
  void OnCancel() override { state_->HungUp(); }
  void OnDone() override { delete this; }

 private:
  std::shared_ptr<WatchState> state_;
};

void WatchState::Written(bool ok) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    writing_ = false;
    if (!ok) hung_up_ = true;
  }
  Post();
}

void WatchState::HungUp() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    hung_up_ = true;
  }
  Post();
}

WatchState::Step WatchState::DecideLocked(grpc::Status* status) {
  if (reactor_ == nullptr || writing_) return Step::kNothing;
  if (hung_up_) {
    *status = grpc::Status(grpc::StatusCode::CANCELLED, "the caller hung up");
    return Step::kFinish;
  }
  if (said_end_) return Step::kFinish;
  // Here, since there is nothing to subscribe to before the operations have begun, when a call may
  // come already; and before the state is read: what changes in between posts another look.
  if (subscription_ == nullptr) {
    subscription_ = operations_.Subscribe(name_, [self = shared_from_this()] { self->Post(); });
  }
  const bool beat = Pool::Clock::now() - last_write_ >= heartbeat_;
  const bool idle = subscription_ != nullptr && !subscription_->HasNews(sent_);
  if (idle && !beat && !operations_.draining()) return Step::kNothing;
  const auto operation = operations_.Get(name_);
  if (!operation.ok()) {
    *status = GrpcStatusFrom(operation.status());
    return Step::kFinish;
  }
  const int64_t sequence = SequenceOf(*operation);
  const bool is_news = sequence > sent_ || operation->done();
  if (!is_news && operations_.draining()) {
    *status = GrpcStatusFrom(DrainingStatus());
    return Step::kFinish;
  }
  if (!is_news && !beat) return Step::kNothing;
  *message_.mutable_operation() = *operation;
  message_.set_sequence(sequence);
  sent_ = sequence;
  said_end_ = operation->done();
  last_write_ = Pool::Clock::now();
  writing_ = true;
  return Step::kWrite;
}

// One timer at a time for each stream, which ends with it.
void WatchState::BeatLater() {
  pool_.RunAt(last_write_ + heartbeat_, [self = weak_from_this()] {
    if (const auto state = self.lock()) state->Beat();
  });
}

void WatchState::Beat() {
  Pump();
  const std::lock_guard<std::mutex> lock(mutex_);
  // A write that takes longer than the heartbeat is followed by a look of its own.
  if (reactor_ == nullptr) return;
  if (writing_) last_write_ = Pool::Clock::now();
  BeatLater();
}

void WatchState::Pump() {
  WatchReactor* reactor;
  Step step;
  grpc::Status status;
  std::shared_ptr<OperationManager::Subscription> finished;  // released outside the lock
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    step = DecideLocked(&status);
    reactor = reactor_;
    if (step == Step::kFinish) {
      reactor_ = nullptr;
      finished = std::move(subscription_);
    }
  }
  // The reactor lives until Finish, and only this function calls it.
  if (step == Step::kWrite) reactor->StartWrite(&message_);
  if (step == Step::kFinish) reactor->Finish(status);
}

}  // namespace

grpc::ServerUnaryReactor* OperationsService::GetOperation(
    grpc::CallbackServerContext* context, const google::longrunning::GetOperationRequest* request,
    Operation* response) {
  return Unary(pool_, context, "GetOperation", response,
               [this, request] { return operations_.Get(request->name()); });
}

grpc::ServerUnaryReactor* OperationsService::ListOperations(
    grpc::CallbackServerContext* context, const google::longrunning::ListOperationsRequest* request,
    google::longrunning::ListOperationsResponse* response) {
  return Unary(pool_, context, "ListOperations", response,
               [this, request] { return operations_.List(*request); });
}

grpc::ServerUnaryReactor* OperationsService::CancelOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::CancelOperationRequest* request, Empty* response) {
  return Unary(pool_, context, "CancelOperation", response,
               [this, request]() -> absl::StatusOr<Empty> {
                 TY_RETURN_IF_ERROR(operations_.Cancel(request->name()));
                 return Empty();
               });
}

grpc::ServerUnaryReactor* OperationsService::DeleteOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::DeleteOperationRequest* request, Empty* response) {
  return Unary(pool_, context, "DeleteOperation", response,
               [this, request]() -> absl::StatusOr<Empty> {
                 TY_RETURN_IF_ERROR(operations_.Delete(request->name()));
                 return Empty();
               });
}

grpc::ServerUnaryReactor* OperationsService::WaitOperation(
    grpc::CallbackServerContext* context,
    const google::longrunning::WaitOperationRequest* request, Operation* response) {
  Pool::Clock::time_point deadline = SteadyDeadline(*context);
  if (request->has_timeout()) {
    const int64_t seconds = std::clamp<int64_t>(request->timeout().seconds(), 0, kLongestWaitSeconds);
    deadline = std::min(deadline, Pool::Clock::now() + std::chrono::seconds(seconds) +
                                      std::chrono::nanoseconds(request->timeout().nanos()));
  }
  return new WaitReactor(operations_, watch_pool_, request->name(), deadline, response);
}

grpc::ServerWriteReactor<v1::WatchOperationResponse>* WatchService::WatchOperation(
    grpc::CallbackServerContext* /*context*/, const v1::WatchOperationRequest* request) {
  return new WatchReactor(operations_, watch_pool_, *request, heartbeat_);
}

v1::GetCapabilitiesResponse CapabilitiesServer::WithDevices() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (worker_.empty() || capabilities_.devices_size() > 0) return capabilities_;
  const auto devices = worker::DevicesOf(worker_);
  if (devices.ok()) {
    capabilities_.mutable_devices()->Assign(devices->begin(), devices->end());
  } else {
    LogWarning("the worker does not tell its devices",
               {{"error", devices.status().ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  return capabilities_;
}

grpc::ServerUnaryReactor* CapabilitiesServer::GetCapabilities(
    grpc::CallbackServerContext* context, const v1::GetCapabilitiesRequest* /*request*/,
    v1::GetCapabilitiesResponse* response) {
  return Unary(pool_, context, "GetCapabilities", response,
               [this]() -> absl::StatusOr<v1::GetCapabilitiesResponse> { return WithDevices(); });
}

}  // namespace trainyard::service
