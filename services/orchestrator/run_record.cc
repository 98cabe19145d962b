#include "services/orchestrator/run_record.h"

#include <algorithm>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/orchestrator/environment.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(10);

// What the disk refuses may be stored later; what the state refuses may not.
bool MayBeStoredLater(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status) ||
         absl::IsInternal(status);
}

// Messages of services come from elsewhere, and may repeat what they were given.
v1::Run::Stage WithoutSecrets(v1::Run::Stage change) {
  if (!change.reason().empty()) change.set_reason(Redact(change.reason()));
  for (std::string& note : *change.mutable_notes()) note = Redact(note);
  if (change.has_error()) change.mutable_error()->set_message(Redact(change.error().message()));
  return change;
}

}  // namespace

RunRecord::RunRecord(std::string id, RunState state, RunStore* store, Clock clock)
    : id_(std::move(id)), store_(store), clock_(std::move(clock)), state_(std::move(state)) {
  if (state_.cancel_requested) halt_.request_stop();
}

v1::Run RunRecord::Snapshot() const {
  const std::lock_guard lock(mutex_);
  v1::Run run = state_.run;
  if (waiting_ && run.state() == v1::Run::RUNNING) run.set_state(v1::Run::PENDING);
  return run;
}

int RunRecord::VariantOf(const std::string& stage) const {
  const std::lock_guard lock(mutex_);
  const auto found = state_.variants.find(stage);
  return found == state_.variants.end() ? 0 : found->second;
}

bool RunRecord::cancel_requested() const {
  const std::lock_guard lock(mutex_);
  return state_.cancel_requested;
}

absl::Status RunRecord::Append(EventType type, const v1::Run::Stage& change,
                               const std::string& cache_key, const CacheEntry* entry) {
  return StoreAtLast(type, WithoutSecrets(change).SerializeAsString(), cache_key, entry);
}

absl::Status RunRecord::End(v1::Run::State state, const google::rpc::Status* error) {
  v1::Run change;
  change.set_state(state);
  if (error != nullptr) *change.mutable_error() = *error;
  return StoreAtLast(EventType::kRunEnded, change.SerializeAsString(), "", nullptr);
}

absl::Status RunRecord::RequestCancel() {
  {
    const std::lock_guard lock(mutex_);
    if (state_.cancel_requested || IsFinal(state_.run.state())) return absl::OkStatus();
  }
  TY_RETURN_IF_ERROR(Store(EventType::kCancelRequested, "", "", nullptr));
  halt_.request_stop();
  return absl::OkStatus();
}

void RunRecord::SetProgress(const std::string& stage, const v1::OperationMetadata& metadata) {
  {
    const std::lock_guard lock(mutex_);
    v1::Run::Stage* target = FindStage(state_.run, stage);
    if (target == nullptr || IsFinal(target->state())) return;
    *target->mutable_progress() = metadata.progress();
    if (metadata.metrics_size() > 0) *target->mutable_metrics() = metadata.metrics();
    ++version_;
  }
  Tell();
}

void RunRecord::SetMessage(const std::string& stage, const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    v1::Run::Stage* target = FindStage(state_.run, stage);
    if (target == nullptr || IsFinal(target->state())) return;
    target->mutable_progress()->set_message(message);
    ++version_;
  }
  Tell();
}

void RunRecord::SetWaiting(bool waiting) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_ == waiting) return;
    waiting_ = waiting;
    ++version_;
  }
  Tell();
}

void RunRecord::Shutdown() {
  shutdown_.request_stop();
  halt_.request_stop();
}

absl::Status RunRecord::StoreAtLast(EventType type, const std::string& payload,
                                    const std::string& cache_key, const CacheEntry* entry) {
  absl::Duration pause = kFirstPause;
  for (bool said = false;;) {
    const absl::Status status = Store(type, payload, cache_key, entry);
    if (status.ok() && said) LogInfo("event of the run is stored at last", {{"run", id_}});
    if (!MayBeStoredLater(status)) return status;
    if (!std::exchange(said, true)) {
      LogWarning("event of the run cannot be stored; trying again until it is",
                 {{"run", id_}, {"error", std::string(status.message())}});
    }
    if (!WaitOrStop(pause, shutdown_.get_token())) {
      return absl::CancelledError("this process ends before the event could be stored");
    }
    pause = std::min(2 * pause, kLongestPause);
  }
}

absl::Status RunRecord::Store(EventType type, const std::string& payload,
                              const std::string& cache_key, const CacheEntry* entry) {
  {
    const std::lock_guard lock(mutex_);
    const RunEvent event{.sequence = state_.run.sequence() + 1,
                         .time = clock_(),
                         .type = type,
                         .payload = payload};
    // Tried on a copy first: what cannot be applied must not be stored.
    RunState next = state_;
    TY_RETURN_IF_ERROR(Apply(event, next));
    TY_RETURN_IF_ERROR(store_->Append(id_, event, cache_key, entry));
    state_ = std::move(next);
    ++version_;
  }
  Tell();
  return absl::OkStatus();
}

RunRecord::Subscription RunRecord::Subscribe(std::function<void()> changed) {
  const std::lock_guard lock(listeners_->mutex);
  const int64_t number = listeners_->next++;
  listeners_->functions[number] = std::move(changed);
  return Subscription(nullptr, [number, listeners = listeners_](void*) {
    const std::lock_guard unlock(listeners->mutex);
    listeners->functions.erase(number);
  });
}

int64_t RunRecord::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void RunRecord::Tell() {
  const std::lock_guard lock(listeners_->mutex);
  for (const auto& [number, changed] : listeners_->functions) changed();
}

}  // namespace trainyard::orchestrator
