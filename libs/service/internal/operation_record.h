#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/service/key.h"
#include "libs/service/operation_store.h"
#include "libs/service/operations.h"

namespace trainyard::service {

/// Sequences that are given out between two writes to the disk, at most; a restart skips that many.
inline constexpr int64_t kSequenceReserve = 1024;

/// The message that clients see for a row.
Operation ProtoOf(const OperationRow& row, const std::string& name);

/// Adds a metric, or puts it in the place of the one with the same (name, class).
void MergeMetric(const v1::Metric& metric, v1::OperationMetadata* metadata);

/// An operation that has not ended. The row in it is the truth; the store follows: at once after
/// Write, at the latest some seconds after Touch. Thread-safe, but for SetWork.
class OperationRecord {
 public:
  /// `store` and `stage` outlive the record; `stage` is null for one that is not offered any more.
  OperationRecord(OperationStore* store, std::string name, OperationRow row, const Stage* stage);

  const std::string& name() const { return name_; }
  const std::string& id() const { return id_; }
  const Stage* stage() const { return stage_; }
  OperationRow Row() const;
  Operation Proto() const;

  /// What is to run, with which key: set once, before the record waits for its turn.
  void SetWork(StageRun run, Key key);
  const StageRun& run() const { return run_; }
  const std::string& key() const { return key_.text; }
  std::stop_token stop() const { return stop_.get_token(); }
  void RequestStop() { stop_.request_stop(); }

  /// Applies a change that need not be on the disk at once. None after the end.
  void Touch(const std::function<void(v1::OperationMetadata&)>& change);
  /// Applies a change and stores it before it returns. None after the end, and OK then.
  absl::Status Write(const std::function<void(OperationRow&)>& change);
  /// Touch with how far the work is; rate and time to go follow from the calls with the same unit.
  void Progress(double done, double total, absl::string_view unit, absl::string_view message);
  /// Stores changes that have waited for long.
  void PersistIfStale();

  /// Calls `call` soon after each change, without a lock held, until it is removed.
  int AddSubscriber(std::function<void()> call);
  void RemoveSubscriber(int id);
  /// Calls every subscriber.
  void Notify();

 private:
  absl::Status PersistLocked();

  OperationStore* const store_;
  const std::string name_;
  const std::string id_;
  const Stage* const stage_;
  StageRun run_;
  Key key_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  OperationRow row_;
  bool dirty_ = false;
  absl::Time persisted_ = absl::InfinitePast(), notified_ = absl::InfinitePast();
  int64_t persisted_sequence_ = 0;
  std::map<int, std::function<void()>> subscribers_;
  int last_subscriber_ = 0;
  // Where the counting for the rate began.
  absl::Time counted_since_ = absl::InfinitePast();
  double counted_from_ = 0;
  std::string counted_unit_;
};

}  // namespace trainyard::service
