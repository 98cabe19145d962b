#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/records.h"
#include "libs/worker/folder_lock.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::worker {

using ::trainyard::worker::v1::Finished;
using ::trainyard::worker::v1::WorkerEvent;
using ::trainyard::worker::v1::WorkerJob;

/// The worker's side of a journal: holds the folder's lock and appends events. Thread-safe.
class Journal {
 public:
  /// Takes the folder's lock and opens `<job_dir>/journal.tfrecord` for appending, after cutting a torn
  /// tail. kAborted when another process holds the lock; kFailedPrecondition when the journal already
  /// has a newer fencing epoch.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& job_dir,
                                                       int64_t fencing_epoch);
  /// As above, with the lock at hand.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& job_dir,
                                                       int64_t fencing_epoch, FolderLock lock);

  /// Fills in sequence, epoch, time; makes all UTF-8. Checkpoint and Finished events are synced to the disk before
  /// this returns. kFailedPrecondition after a Finished: it is the last one.
  absl::Status Append(WorkerEvent event);

 private:
  Journal(RecordWriter writer, FolderLock lock, int64_t epoch, int64_t sequence);
  std::mutex mutex_;
  RecordWriter writer_;
  FolderLock lock_;
  int64_t epoch_;
  int64_t sequence_;
  bool finished_ = false;
};

/// Reads what a journal holds, again and again; a service tails it. Not thread-safe.
class JournalReader {
 public:
  explicit JournalReader(std::string job_dir);
  /// Events since the last call; empty when there are none (or no journal yet). kDataLoss for damage.
  absl::StatusOr<std::vector<WorkerEvent>> Poll();
  /// The same, one by one: for what may be larger than the memory. The first status of `take` that
  /// is not OK ends it.
  absl::Status ForEach(const std::function<absl::Status(WorkerEvent event)>& take);

 private:
  std::string path_;
  int64_t offset_ = 0;
};

}  // namespace trainyard::worker
