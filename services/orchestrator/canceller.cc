#include "services/orchestrator/canceller.h"

#include <algorithm>

#include "libs/base/log.h"
#include "services/orchestrator/environment.h"

namespace trainyard::orchestrator {
namespace {

// Services that do not answer keep a thread for seconds each; the others must not wait for them.
constexpr int kThreads = 4;
constexpr absl::Duration kLongestPause = absl::Minutes(1);
constexpr absl::Duration kGiveUp = absl::Hours(24);

// Whether the service may hear it later; all else is its answer.
bool MayHearLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status) || absl::IsUnknown(status) || absl::IsInternal(status);
}

void LogIfFailed(const absl::Status& status) {
  if (status.ok()) return;
  LogWarning("cancels cannot be kept for the next process",
             {{"error", std::string(status.message())}});
}

}  // namespace

Canceller::Canceller(StageClient& client, RunStore& store, absl::Duration first_pause)
    : client_(client), store_(store), first_pause_(first_pause) {
  const absl::Duration now = SteadyNow();
  const auto left = store_.Cancels();
  LogIfFailed(left.status());
  for (const Target& target : left.value_or(std::vector<Target>())) {
    waiting_.emplace(target, Attempt{now, now, first_pause_});
  }
  for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
}

Canceller::~Canceller() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
}

void Canceller::Cancel(const std::string& address, const std::string& operation) {
  {
    const std::lock_guard lock(mutex_);
    const Target target(address, operation);
    if (sending_.contains(target) || waiting_.contains(target)) return;
    LogIfFailed(store_.AddCancel(address, operation));
    const absl::Duration now = SteadyNow();
    waiting_.emplace(target, Attempt{now, now, first_pause_});
  }
  changed_.notify_one();
}

void Canceller::Work() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto next = std::min_element(
        waiting_.begin(), waiting_.end(),
        [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
    if (next == waiting_.end()) {
      changed_.wait(lock);
      continue;
    }
    const absl::Duration delay = next->second.due - SteadyNow();
    if (delay > absl::ZeroDuration()) {
      changed_.wait_for(lock, absl::ToChronoNanoseconds(delay));
      continue;
    }
    const auto taken = waiting_.extract(next);
    Send(taken.key(), taken.mapped(), lock);
  }
}

void Canceller::Send(const Target& target, Attempt attempt, std::unique_lock<std::mutex>& lock) {
  sending_.insert(target);
  lock.unlock();
  const absl::Status status = client_.Cancel(target.first, target.second);
  lock.lock();
  sending_.erase(target);
  const bool again = MayHearLater(status) && SteadyNow() - attempt.since < kGiveUp;
  if (again) {
    attempt.due = SteadyNow() + attempt.pause;
    attempt.pause = std::min(2 * attempt.pause, kLongestPause);
    waiting_.emplace(target, attempt);
  } else {
    LogIfFailed(store_.RemoveCancel(target.first, target.second));
  }
  // An operation that is gone needs no cancel.
  if (status.ok() || absl::IsNotFound(status)) return;
  Log(again ? LogLevel::kInfo : LogLevel::kWarning,
      again ? "operation cannot be cancelled yet" : "operation cannot be cancelled",
      {{"operation", target.second},
       {"address", target.first},
       {"error", std::string(status.message())}});
}

}  // namespace trainyard::orchestrator
