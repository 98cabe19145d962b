#pragma once

#include <functional>
#include <memory>

namespace trainyard::cli {

/// Asks for SIGINT and SIGTERM on a thread of its own while it lives; blocks them for the threads
/// that are made after it. Make it first in main. Without an Interruptible, a signal ends the
/// process with 128 + its number.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();

 private:
  friend class Interruptible;
  struct State;
  std::unique_ptr<State> state_;
};

/// While it lives, the first signal calls `first`, on the watch's thread, and a second one ends the
/// process at once. One at a time; needs a SignalWatch.
class Interruptible {
 public:
  explicit Interruptible(std::function<void()> first);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  /// 128 + the signal's number once there was one, else 0: the exit code.
  int exit_code() const;
};

}  // namespace trainyard::cli
