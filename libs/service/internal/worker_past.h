#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/worker/folder_lock.h"
#include "libs/worker/journal.h"

namespace trainyard::service {

/// What the journal of a job's folder says about the time before a new worker.
struct WorkerPast {
  int64_t newest_epoch = 0;
  int64_t last_sequence = 0;
  /// Of this operation's newest worker, when it had this very job.
  std::optional<worker::Finished> finished;
  /// Newest of this operation that is still there; "" = none.
  std::string checkpoint;
};

/// Takes the folder. A worker of this operation whose service died may still hold it: it ends by itself,
/// after its checkpoint, and is waited for as long as it does something; when it did nothing for
/// `patience` seconds it is killed. kAborted with reason FOLDER_IN_USE when another one holds the folder
/// for so long; kCancelled on a stop request.
absl::StatusOr<worker::FolderLock> TakeJobFolder(const OperationContext& context,
                                                 const std::string& job_dir, double patience);

/// Reads `reader` to its end; kCancelled on a stop request. kFailedPrecondition when another operation
/// used the folder since this one's last worker. Call it with the folder's lock held.
absl::StatusOr<WorkerPast> ReadWorkerPast(worker::JournalReader& reader,
                                          const worker::WorkerJob& job,
                                          const OperationContext& context,
                                          const std::string& job_dir);

}  // namespace trainyard::service
