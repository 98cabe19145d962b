#include "services/orchestrator/run_threads.h"

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "libs/base/log.h"

namespace trainyard::orchestrator {

RunThreads::RunThreads(size_t most) : most_(std::max<size_t>(most, 1)) {
  threads_.emplace_back([this] { Work(); });
}

RunThreads::~RunThreads() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    queue_.clear();
  }
  changed_.notify_all();
}

void RunThreads::Run(const std::string& id, std::function<void()> work,
                     const std::function<void()>& waits) {
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    const bool all_taken = working_ + queue_.size() >= threads_.size();
    if (all_taken && !AddThread()) waits();
    queue_.push_back({id, std::move(work)});
  }
  changed_.notify_one();
}

std::function<void()> RunThreads::Take(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(queue_.begin(), queue_.end(),
                                  [&id](const Item& item) { return item.id == id; });
  if (found == queue_.end()) return nullptr;
  std::function<void()> work = std::move(found->work);
  queue_.erase(found);
  return work;
}

size_t RunThreads::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

// With the mutex held.
bool RunThreads::AddThread() {
  if (threads_.size() >= most_) return false;
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error& error) {
    LogWarning("no thread for another run; it waits", {{"error", error.what()}});
    return false;
  }
  return true;
}

void RunThreads::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (ending_) return;
    {
      const std::function<void()> work = std::move(queue_.front().work);
      queue_.pop_front();
      ++working_;
      lock.unlock();
      try {
        work();
      } catch (const std::exception& error) {
        // Out of memory, for one. The run goes on after a restart; the others go on now.
        LogError("an exception ended the work on a run", {{"error", error.what()}});
      }
    }
    lock.lock();
    --working_;
  }
}

}  // namespace trainyard::orchestrator
