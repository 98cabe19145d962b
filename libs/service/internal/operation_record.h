#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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
/// Write, at the latest some seconds after Touch. What could not be stored is tried again, less and
/// less often, until it is; an end is nobody's news before that. Thread-safe, but for SetWork.
class OperationRecord {
 public:
  /// `store` and `stage` outlive the record; `stage` is null for one that is not offered any more.
  OperationRecord(OperationStore* store, std::string name, OperationRow row, const Stage* stage);

  const std::string& name() const { return name_; }
  const std::string& id() const { return id_; }
  const Stage* stage() const { return stage_; }
  OperationRow Row() const;
  Operation Proto() const;
  /// Whether Proto has a later sequence than `sequence`, or has ended: cheaper than Proto.
  bool HasNews(int64_t sequence) const;

  /// What is to run, with which key: set once, before the record waits for its turn or, for one that
  /// was taken up, by the thread that works on it.
  void SetWork(StageRun run, Key key);
  bool has_work() const { return static_cast<bool>(run_); }
  const StageRun& run() const { return run_; }
  const std::string& key() const { return key_.text; }
  std::stop_token stop() const { return stop_.get_token(); }
  void RequestStop() { stop_.request_stop(); }

  /// Applies a change that need not be on the disk at once. None after the end.
  void Touch(const std::function<void(v1::OperationMetadata&)>& change);
  /// Applies a change and stores it before it returns. When that fails, the change is there and is
  /// stored later. None after the end, and OK then.
  absl::Status Write(const std::function<void(OperationRow&)>& change);
  /// As Write, and waits until it is stored, for as long as that takes. kCancelled when a stop is
  /// requested first; kAborted when the row is not this process's any more.
  absl::Status WriteAndAwait(const std::function<void(OperationRow&)>& change);
  /// Makes the state final. It shows once it is stored: true. Else it waits for StoreLate, and no other
  /// change is taken meanwhile. kAborted: the store has another end, or another owner.
  absl::StatusOr<bool> End(const std::function<void(OperationRow&)>& change);
  /// Tries once more what could not be stored, when its time has come or with `at_once`. True when an
  /// end came to show by it, or was lost to another owner.
  bool StoreLate(bool at_once = false);
  /// Touch with how far the work is; rate and time to go follow from the calls with the same unit.
  void Progress(double done, double total, absl::string_view unit, absl::string_view message);

  /// Calls `call` soon after each change, without a lock held, until it is removed.
  int AddSubscriber(std::function<void()> call);
  void RemoveSubscriber(int id);
  /// Calls every subscriber.
  void Notify();
  /// The same, if there was a change since.
  void NotifyIfChanged();

 private:
  using Clock = std::chrono::steady_clock;
  bool TakesChangesLocked() const { return !IsFinal(row_.metadata.state()) && !end_.has_value(); }
  absl::Status StoreLocked();
  absl::Status StoreEndLocked();
  void StoredLocked(const absl::Status& status);

  OperationStore* const store_;
  const std::string name_;
  const std::string id_;
  const Stage* const stage_;
  StageRun run_;
  Key key_;
  std::stop_source stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any stored_;
  OperationRow row_;
  // Not stored yet.
  std::optional<OperationRow> end_;
  bool dirty_ = false;
  // Another process has the row, or its end is stored already.
  bool lost_ = false;
  bool changed_ = false;
  Clock::time_point store_after_, notified_;
  Clock::duration backoff_{};
  int64_t persisted_sequence_ = 0;
  std::map<int, std::function<void()>> subscribers_;
  int last_subscriber_ = 0;
  // Where the counting for the rate began.
  std::optional<Clock::time_point> counted_since_;
  double counted_from_ = 0;
  std::string counted_unit_;
};

}  // namespace trainyard::service
