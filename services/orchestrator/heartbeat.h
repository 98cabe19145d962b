#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace trainyard::orchestrator {

/// Calls functions again and again, from one thread. Thread-safe.
class Heartbeat {
 public:
  explicit Heartbeat(absl::Duration period);
  ~Heartbeat();

  /// Calls `beat` every period until the returned object is gone, which waits for a call under way. It
  /// must be quick and must not call back into this object.
  using Subscription = std::shared_ptr<void>;
  Subscription Add(std::function<void()> beat);

 private:
  struct Listeners {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::map<int64_t, std::function<void()>> functions;
    int64_t next = 1;
  };
  const std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
  std::jthread thread_;
};

}  // namespace trainyard::orchestrator
