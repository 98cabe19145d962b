#include "libs/service/pool.h"

#include <algorithm>
#include <utility>

namespace trainyard::service {

Pool::Pool(int threads, bool held, Clock::duration stuck_after)
    : stuck_after_(stuck_after), held_(held), taken_(Clock::now()) {
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

Pool::Appointment Pool::RunAt(Clock::time_point begin, std::function<void()> work) {
  Appointment appointment;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    appointment = {begin, ++appointments_};
    later_.emplace(appointment, std::move(work));
  }
  changed_.notify_one();
  return appointment;
}

void Pool::Forget(const Appointment& appointment) {
  // Destroyed without the lock: what the work holds may call the pool.
  decltype(later_)::node_type forgotten;
  const std::lock_guard<std::mutex> lock(mutex_);
  forgotten = later_.extract(appointment);
}

void Pool::Release() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
  }
  changed_.notify_all();
}

bool Pool::stuck() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return working_ == threads_.size() && Clock::now() - taken_ > stuck_after_;
}

bool Pool::AwaitIdle(std::chrono::nanoseconds timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return idle_.wait_for(lock, timeout, [this] { return queue_.empty() && working_ == 0; });
}

void Pool::TakeWhatIsDueLocked() {
  while (!later_.empty() && later_.begin()->first.first <= Clock::now()) {
    queue_.push_back(std::move(later_.extract(later_.begin()).mapped()));
  }
}

void Pool::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    TakeWhatIsDueLocked();
    if (!ReadyLocked()) {
      if (ending_ && queue_.empty()) return;
      if (later_.empty()) {
        changed_.wait(lock);
      } else {
        changed_.wait_until(lock, later_.begin()->first.first);
      }
      continue;
    }
    {
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      ++working_;
      taken_ = Clock::now();
      lock.unlock();
      work();
    }
    lock.lock();
    if (--working_ == 0 && queue_.empty()) idle_.notify_all();
  }
}

}  // namespace trainyard::service
