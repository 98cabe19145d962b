#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/orchestrator/run_store.h"
#include "services/orchestrator/stage_client.h"

namespace trainyard::orchestrator {

/// Asks operations to stop, on threads of its own, so that nobody waits for a service that does not
/// answer; asks again, with growing pauses, until the service has answered. What is not sent yet is in
/// the store, so that the next process goes on with it. Thread-safe.
class Canceller {
 public:
  /// Begins with what the store has. `client` and `store` outlive this object. Throws
  /// std::system_error when no thread can be made.
  Canceller(StageClient& client, RunStore& store, absl::Duration first_pause = absl::Seconds(1));
  ~Canceller();

  /// Returns at once. The same again, while it is not sent yet, is one.
  void Cancel(const std::string& address, const std::string& operation);

 private:
  // Address and operation.
  using Target = std::pair<std::string, std::string>;
  struct Attempt {
    absl::Duration due, since, pause;
  };
  void Work();
  void Send(const Target& target, Attempt attempt, std::unique_lock<std::mutex>& lock);

  StageClient& client_;
  RunStore& store_;
  const absl::Duration first_pause_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::map<Target, Attempt> waiting_;
  std::set<Target> sending_;
  std::vector<std::jthread> threads_;
};

}  // namespace trainyard::orchestrator
