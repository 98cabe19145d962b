#include "services/orchestrator/run_record.h"

#include <utility>

#include "libs/base/status.h"

namespace trainyard::orchestrator {

RunRecord::RunRecord(std::string id, RunState state, RunStore* store, Clock clock)
    : id_(std::move(id)), store_(store), clock_(std::move(clock)), state_(std::move(state)) {
  if (state_.cancel_requested) halt_.request_stop();
}

v1::Run RunRecord::Snapshot() const {
  const std::lock_guard lock(mutex_);
  return state_.run;
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
  return Store(type, change.SerializeAsString(), cache_key, entry);
}

absl::Status RunRecord::End(v1::Run::State state, const google::rpc::Status* error) {
  v1::Run change;
  change.set_state(state);
  if (error != nullptr) *change.mutable_error() = *error;
  return Store(EventType::kRunEnded, change.SerializeAsString(), "", nullptr);
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

void RunRecord::Shutdown() {
  shutdown_.request_stop();
  halt_.request_stop();
}

absl::Status RunRecord::Store(EventType type, std::string payload, const std::string& cache_key,
                              const CacheEntry* entry) {
  {
    const std::lock_guard lock(mutex_);
    const RunEvent event{.sequence = state_.run.sequence() + 1,
                         .time = clock_(),
                         .type = type,
                         .payload = std::move(payload)};
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
