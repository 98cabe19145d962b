#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::service {

/// How long a worker may say or do nothing, in seconds.
struct WorkerPatience {
  /// Without a beat: the process is stopped (SIGSTOP), or its machine is.
  double silence = 60;
  /// Until the first beat or event: the program and its runtime are loaded meanwhile.
  double start = 300;
  /// After a stop request, without a beat.
  double still = 12;
  /// After a stop request, without a byte written by one that saves. The worker ends itself earlier
  /// (libs/worker/internal/watcher.h), and much earlier when it does nothing at all.
  double busy = 75;
  /// After a stop request, by one that has nothing to save.
  double give_up = 5;
  /// Of an earlier worker that still holds the folder: for how long it may do nothing at all, or, when
  /// it is not this operation's, hold the folder.
  double folder = 12;
};

/// How a worker is run for an operation.
struct WorkerRun {
  /// `trainyard-train-worker`, or an absolute path (libs/worker/process.h, FindProgram).
  std::string program;
  /// Folder for job.pb, journal, lock and worker.log: absolute; made when missing. "" = the
  /// operation's scratch folder. A training gives `<results>/.trainyard`, so that one results folder
  /// never has two writers.
  std::string job_dir;
  /// Tries in all when the worker is killed or asks for a retry (conventions: 75, 130, 137, 138). One:
  /// the caller of the operation decides, with the resume_uri at hand.
  int max_attempts = 1;
  /// Added to the worker's environment; no secrets.
  std::map<std::string, std::string> environment;
  /// Nothing is lost when it is killed: a stop gives it 1.5 s, a drain too, not the time that a
  /// checkpoint may take.
  bool is_disposable = false;
  /// Makes the uris of outputs, log and checkpoints, and bounds where outputs may lie and the worker may
  /// write; must outlive the call.
  const Workspace* workspace = nullptr;
  /// Bytes of memory that the worker may have; 0 = no bound. `bounds_data` off: for workers that use CUDA
  /// (libs/worker/process.h).
  int64_t memory_bytes = 0;
  bool bounds_data = true;
  /// How long it may say or do nothing.
  WorkerPatience patience = {};
};

/// Runs a worker to its end and follows its journal: events become the operation's metadata, Finished
/// becomes the result or the status. Fills in the job's operation, epoch, job_dir, threads and
/// write_root; the key goes to the worker through a pipe.
///
/// This process takes the folder's lock and writes the new epoch down before the worker starts, and the
/// worker gets both: a worker whose service died can write only as what it was, and the next one waits
/// for its end. A job that was tried before goes on from the newest checkpoint
/// (TrainTask.resume_model) that this operation's workers wrote; a Finished that an earlier service did
/// not live to see is taken. What Finished says of outputs is checked (kDataLoss).
///
/// Stop: SIGTERM; a worker that writes its checkpoint has its time, one that stands still is killed;
/// then kCancelled, which says what was saved. The checkpoint is the metadata's resume_uri.
///
/// Fails with what Finished says; kInternal, reason WORKER_CRASHED, when the worker ends without it (the
/// message has signal or exit code, and the last lines of its log); kResourceExhausted, OUT_OF_MEMORY,
/// when that was for want of memory; kAborted, so that the same may be tried again, when it gave no
/// beat (WORKER_SILENT), was stopped by nobody of ours (WORKER_STOPPED), or when another worker holds the
/// folder (FOLDER_IN_USE); kNotFound without the program; kFailedPrecondition when another operation
/// used the folder in between.
absl::StatusOr<v1::StageResult> RunWorkerJob(OperationContext& context, worker::v1::WorkerJob job,
                                             const WorkerRun& run);

}  // namespace trainyard::service
