#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "libs/service/client.h"
#include "libs/service/operations.h"

namespace trainyard::testing {

/// Something that work waits at until the test opens it, or until it is told to stop.
class Gate {
 public:
  /// kCancelled when `stop` came first.
  absl::Status Pass(std::stop_token stop) {
    std::unique_lock<std::mutex> lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    if (changed_.wait(lock, stop, [this] { return open_; })) return absl::OkStatus();
    return absl::CancelledError("stopped at the gate");
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Blocks until `count` callers of Pass have come.
  void AwaitArrivals(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return arrived_ >= count; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  int arrived_ = 0;
  bool open_ = false;
};

/// Blocks until `wanted` holds for the operation, looking at it after each change; gives it then.
inline service::Operation AwaitOperation(
    service::OperationManager& operations, const std::string& name,
    const std::function<bool(const service::Operation&, const v1::OperationMetadata&)>& wanted) {
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    int changes = 0;
  };
  auto signal = std::make_shared<Signal>();
  const auto subscription = operations.Subscribe(name, [signal] {
    const std::lock_guard<std::mutex> lock(signal->mutex);
    ++signal->changes;
    signal->changed.notify_all();
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  int seen = 0;
  while (true) {
    const auto operation = operations.Get(name);
    if (!operation.ok()) {
      ADD_FAILURE() << operation.status();
      return {};
    }
    if (wanted(*operation, service::MetadataOf(*operation))) return *operation;
    std::unique_lock<std::mutex> lock(signal->mutex);
    if (operation->done() ||
        !signal->changed.wait_until(lock, deadline, [&] { return signal->changes > seen; })) {
      ADD_FAILURE() << "it did not come: " << operation->DebugString()
                    << service::MetadataOf(*operation).DebugString();
      return *operation;
    }
    seen = signal->changes;
  }
}

inline service::Operation AwaitDone(service::OperationManager& operations, const std::string& name) {
  return AwaitOperation(operations, name,
                        [](const service::Operation& operation, const v1::OperationMetadata&) {
                          return operation.done();
                        });
}

}  // namespace trainyard::testing
