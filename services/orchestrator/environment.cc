#include "services/orchestrator/environment.h"

#include <condition_variable>
#include <mutex>

namespace trainyard::orchestrator {

bool WaitOrStop(absl::Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
  return !stop.stop_requested();
}

}  // namespace trainyard::orchestrator
