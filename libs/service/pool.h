#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace trainyard::service {

/// Threads for the bodies of calls: gRPC's own threads must never block. Thread-safe.
class Pool {
 public:
  using Clock = std::chrono::steady_clock;

  /// With `held`, nothing begins before Release.
  explicit Pool(int threads, bool held = false,
                Clock::duration stuck_after = std::chrono::seconds(10));
  /// Does what is queued, but for what is to begin later, then ends.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void Run(std::function<void()> work);
  /// Names what is to begin later.
  using Appointment = std::pair<Clock::time_point, int64_t>;
  /// Not before `begin`.
  Appointment RunAt(Clock::time_point begin, std::function<void()> work);
  /// Lets go of work that nobody needs any more; without effect once its time has come.
  void Forget(const Appointment& appointment);
  void Release();
  /// Whether every thread has been at the same work for longer than `stuck_after`.
  bool stuck() const;
  /// Blocks until nothing works or waits for a thread: false when the time is over first.
  bool AwaitIdle(std::chrono::nanoseconds timeout);

 private:
  void Work();
  void TakeWhatIsDueLocked();
  bool ReadyLocked() const { return !held_ && !queue_.empty(); }

  const Clock::duration stuck_after_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_;
  std::map<Appointment, std::function<void()>> later_;
  int64_t appointments_ = 0;
  bool held_;
  bool ending_ = false;
  size_t working_ = 0;
  // When a thread last took up work.
  Clock::time_point taken_;
  std::vector<std::thread> threads_;
};

}  // namespace trainyard::service
