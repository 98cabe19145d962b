#include "services/orchestrator/environment.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>

namespace trainyard::orchestrator {

uint32_t RandomBits() {
  std::random_device random;
  return random();
}

absl::Duration SteadyNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

bool WaitOrStop(absl::Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace trainyard::orchestrator
