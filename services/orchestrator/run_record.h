#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/orchestrator/run_state.h"
#include "services/orchestrator/run_store.h"

namespace trainyard::orchestrator {

/// The one place where a run's state changes: an event is stored, then applied, then told to those
/// who watch. Progress is told too, but not stored. An event that the disk refuses is tried again,
/// with growing pauses, until it is stored: nothing is told that a restart would take back.
/// Thread-safe.
class RunRecord {
 public:
  using Clock = std::function<absl::Time()>;
  /// `store` and `clock` outlive this object. `state` is the fold of what is stored.
  RunRecord(std::string id, RunState state, RunStore* store, Clock clock);

  const std::string& id() const { return id_; }
  /// The run as it stands, with progress. Its sequence counts events.
  v1::Run Snapshot() const;
  int VariantOf(const std::string& stage) const;
  bool cancel_requested() const;

  /// Adds an event about a stage; `entry` goes into the cache in the same transaction. Registered
  /// secrets are taken out of the change. Blocks while the disk refuses; kCancelled when the record
  /// is shut down meanwhile; kDataLoss or kAborted when the event can never be stored.
  absl::Status Append(EventType type, const v1::Run::Stage& change,
                      const std::string& cache_key = "", const CacheEntry* entry = nullptr);
  /// As Append, for the run's end.
  absl::Status End(v1::Run::State state, const google::rpc::Status* error);
  /// Stores the request to stop and requests `halt`. OK without effect once asked or ended. Tries
  /// once: the caller may ask again.
  absl::Status RequestCancel();
  void SetProgress(const std::string& stage, const v1::OperationMetadata& metadata);
  /// Tells, without storing it, what a stage that works waits for.
  void SetMessage(const std::string& stage, const std::string& message);
  /// Whether the run waits for others to end: its state is PENDING then. Not stored.
  void SetWaiting(bool waiting);

  /// Requested by RequestCancel and by Shutdown.
  std::stop_token halt() const { return halt_.get_token(); }
  /// Requested when this process ends: work stops without a word in the store, so that the next process
  /// takes it up.
  std::stop_token shutdown() const { return shutdown_.get_token(); }
  void Shutdown();

  /// Calls `changed` after every change until the returned object is gone. It must be quick and must
  /// not call back into Subscribe.
  using Subscription = std::shared_ptr<void>;
  Subscription Subscribe(std::function<void()> changed);
  /// Counts changes, progress included: what a watcher compares.
  int64_t version() const;

 private:
  absl::Status Store(EventType type, const std::string& payload, const std::string& cache_key,
                     const CacheEntry* entry);
  absl::Status StoreAtLast(EventType type, const std::string& payload,
                           const std::string& cache_key, const CacheEntry* entry);
  void Tell();

  struct Listeners {
    std::mutex mutex;
    std::map<int64_t, std::function<void()>> functions;
    int64_t next = 1;
  };

  const std::string id_;
  RunStore* const store_;
  const Clock clock_;
  mutable std::mutex mutex_;
  RunState state_;
  bool waiting_ = false;
  int64_t version_ = 1;
  std::stop_source halt_;
  std::stop_source shutdown_;
  const std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace trainyard::orchestrator
