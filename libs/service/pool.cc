#include "libs/service/pool.h"

#include <algorithm>
#include <utility>

namespace trainyard::service {

Pool::Pool(int threads, bool held) : held_(held) {
  for (int i = 0; i < std::max(1, threads); ++i) threads_.emplace_back([this] { Work(); });
}

Pool::~Pool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::Run(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void Pool::Release() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

void Pool::AwaitIdle(std::chrono::nanoseconds timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait_for(lock, timeout, [this] { return queue_.empty() && working_ == 0; });
}

void Pool::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || (!held_ && !queue_.empty()); });
    if (queue_.empty()) return;
    {
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      ++working_;
      lock.unlock();
      work();
    }
    lock.lock();
    if (--working_ == 0 && queue_.empty()) idle_.notify_all();
  }
}

}  // namespace trainyard::service
