#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trainyard::service {

/// Threads for the bodies of calls: gRPC's own threads must never block. Thread-safe.
class Pool {
 public:
  /// With `held`, nothing begins before Release.
  explicit Pool(int threads, bool held = false);
  /// Does what is queued, then ends.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void Run(std::function<void()> work);
  void Release();
  /// Blocks until nothing works or waits, or the time is over.
  void AwaitIdle(std::chrono::nanoseconds timeout);

 private:
  void Work();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> queue_;
  bool held_;
  bool ending_ = false;
  int working_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace trainyard::service
