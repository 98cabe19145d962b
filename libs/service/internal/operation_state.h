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
  /// Makes the state final; the only place that does.
  void Finish(const Record& record, const absl::StatusOr<v1::StageResult>& result);
  /// Goes on with an operation of a process that is gone.
  void TakeUp(OperationRow row);
  /// The ticker's thread: renews leases, stores progress, wakes subscribers, joins threads, forgets
  /// what is old.
  void Tick();

  const Options& options;
  const std::unique_ptr<OperationStore> store;
  /// The owner of this process's rows.
  const std::string owner;
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

 private:
  absl::Status CheckRoomLocked(const Lane& lane) const;
  void ClaimLocked();
  void Work(const std::list<std::thread>::iterator& self, const Record& record);
  absl::StatusOr<v1::StageResult> Run(const Record& record);
  bool IsLeftForNextProcess(OperationRecord& record, const absl::Status& status) const;
  absl::Status PrepareAgain(OperationRecord& record, bool was_running);
  absl::Status MakeWork(OperationRecord& record);
  absl::Status Purge(absl::Time before);
  int64_t LeaseEnd() const;
};

/// What a call gets that would start work during a drain.
absl::Status DrainingError();

/// Ordered by time, and not to be guessed.
std::string NewId();

}  // namespace trainyard::service
