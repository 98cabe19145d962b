#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/service/internal/operation_record.h"
#include "libs/service/internal/retention_clock.h"
#include "libs/service/key.h"
#include "libs/service/operation_store.h"
#include "libs/service/operations.h"

namespace trainyard::service {

/// What is behind an OperationManager: the queue, the threads that work, and the one that keeps
/// house. Lock order: `mutex` before a record's.
struct OperationManager::State {
  using Record = std::shared_ptr<OperationRecord>;

  struct Lane {
    std::deque<Record> waiting;
    int running = 0;
    /// Have a place, and are on their way to the disk.
    int entering = 0;
    int Load() const { return running + entering + static_cast<int>(waiting.size()); }
  };

  /// `of_manager` outlives this.
  State(const Options& of_manager, std::unique_ptr<OperationStore> of_replica);
  /// Joins all threads. After Drain.
  ~State();

  std::string NameOf(absl::string_view id) const;
  std::string ScratchDirOf(absl::string_view id) const;
  /// nullptr when it has ended or is unknown.
  Record FindLive(const std::string& id);
  std::vector<Record> LiveLocked() const;

  /// Stores a new operation and puts it into its lane's queue. Gives its id, or that of an earlier
  /// one with the same request_id. Its work begins at the next Claim.
  absl::StatusOr<std::string> Enqueue(OperationRow row, const Stage& stage, StageRun run,
                                      Key key);
  /// Begins the work of what waits while its lane has room.
  void Claim();
  /// Takes a record out of its queue; false when it does not wait.
  bool LeaveQueueLocked(const Record& record);
  /// Makes the state final, now or, when it cannot be stored now, by the ticker.
  void Finish(const Record& record, const absl::StatusOr<v1::StageResult>& result);
  /// The present try is not one that the service dies of.
  void TakeBackDeath(OperationRecord& record) const;
  /// Lets go of a record whose end is stored.
  void Conclude(const Record& record);
  /// Goes on with the operations of a process that is gone.
  absl::Status TakeUp(const std::string& own_address);
  /// Forgets what is old. The ticker does it now and then.
  void KeepHouse();
  /// The ticker's thread: renews the lease, stores what waits for it, wakes subscribers, joins threads.
  void Tick();
  /// Blocks until no work runs: false after `timeout`.
  bool AwaitIdle(absl::Duration timeout);

  const Options& options;
  const std::unique_ptr<OperationStore> store;
  /// The owner of this process's rows.
  const std::string owner;
  const RetentionClock retention_clock;
  /// Before Begin; not changed then.
  std::map<std::string, Stage> stages;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string address;
  bool begun = false;
  bool draining = false;
  bool ended = false;
  /// By id: what has not ended.
  std::map<std::string, Record> live;
  std::map<std::string, Lane> lanes;
  std::list<std::thread> working;
  /// At their end; to be joined.
  std::list<std::thread> finished;
  std::thread ticker;
  /// No thread could be made when one was last asked for; so that the log says it once.
  bool lacks_thread = false;

 private:
  absl::Status CheckRoomLocked(const Lane& lane) const;
  void ClaimLocked();
  void Work(const std::list<std::thread>::iterator& self, const Record& record);
  absl::StatusOr<v1::StageResult> Run(const Record& record);
  bool IsLeftForNextProcess(OperationRecord& record, const absl::Status& status) const;
  absl::Status MakeWork(OperationRecord& record, const google::protobuf::Message& request);
  void SetEnd(OperationRow& row, const absl::StatusOr<v1::StageResult>& result) const;
  void Adopt(OperationRow& row) const;
  absl::Status WhyOver(const OperationRow& row, bool was_running) const;
  void Quarantine(OperationRow row);
  google::protobuf::Timestamp TimestampNow() const;
  int64_t RetentionMicros() const;
  int64_t LeaseEnd() const;
};

/// What a call gets that would start work during a drain.
absl::Status DrainingError();

/// Ordered by time, and not to be guessed.
std::string NewId();

/// The log line of an operation's end.
void LogEnd(const OperationRow& row, const std::string& name);
/// Of work that is done again later anyway.
void LogIfFailed(const absl::Status& status);

}  // namespace trainyard::service
