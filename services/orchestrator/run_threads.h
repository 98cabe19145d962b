#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace trainyard::orchestrator {

/// The threads that runs work on: made when they are needed, at most `most`, and used again. What has
/// no thread waits its turn, also when the system gives no more threads. Thread-safe.
class RunThreads {
 public:
  /// Makes the first thread. Throws std::system_error when there is none to be had.
  explicit RunThreads(size_t most);
  /// Drops what waits and joins what works.
  ~RunThreads();

  /// Does `work` as soon as a thread is free. Calls `waits` first, before `work` can begin, when none
  /// is; it must be quick and must not call back. `id` is for Take.
  void Run(const std::string& id, std::function<void()> work, const std::function<void()>& waits);
  /// Takes out of the queue what waits under `id`, for the caller to do; nothing when it does not wait.
  std::function<void()> Take(const std::string& id);
  /// How many wait.
  size_t waiting() const;

 private:
  struct Item {
    std::string id;
    std::function<void()> work;
  };
  bool AddThread();
  void Work();

  const size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  size_t working_ = 0;
  std::deque<Item> queue_;
  std::vector<std::jthread> threads_;
};

}  // namespace trainyard::orchestrator
