#include "services/orchestrator/heartbeat.h"

#include <stop_token>
#include <utility>

namespace trainyard::orchestrator {

Heartbeat::Heartbeat(absl::Duration period)
    : thread_([listeners = listeners_, period](const std::stop_token& stop) {
        std::unique_lock lock(listeners->mutex);
        while (!stop.stop_requested()) {
          listeners->changed.wait_for(lock, stop, absl::ToChronoNanoseconds(period),
                                      [] { return false; });
          if (stop.stop_requested()) return;
          for (const auto& [number, beat] : listeners->functions) beat();
        }
      }) {}

Heartbeat::~Heartbeat() = default;

Heartbeat::Subscription Heartbeat::Add(std::function<void()> beat) {
  const std::lock_guard lock(listeners_->mutex);
  const int64_t number = listeners_->next++;
  listeners_->functions[number] = std::move(beat);
  return Subscription(nullptr, [number, listeners = listeners_](void*) {
    const std::lock_guard unlock(listeners->mutex);
    listeners->functions.erase(number);
  });
}

}  // namespace trainyard::orchestrator
