#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::service {

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
  /// Added to the worker's environment.
  std::map<std::string, std::string> environment;
  /// Nothing is lost when it is killed: a stop gives it 1.5 s, a drain too, not the time that a
  /// checkpoint may take.
  bool is_disposable = false;
  /// Makes the uris of outputs, log and checkpoints; must outlive the call.
  const Workspace* workspace = nullptr;
};

/// Runs a worker to its end and follows its journal: events become the operation's metadata, Finished
/// becomes the result or the status. Fills in the job's operation, epoch, job_dir, threads and key_env;
/// the key goes to the worker by its environment.
///
/// A job that was tried before goes on from the newest checkpoint (TrainTask.resume_model) that this
/// operation's workers wrote; a Finished that an earlier service did not live to see is taken as it is.
/// Stop: SIGTERM, SIGKILL after 1.5 s, then kCancelled; the checkpoint is the metadata's resume_uri.
///
/// Fails with what Finished says; kInternal when the worker ends without it (the message has signal or
/// exit code, and the last lines of its log); kNotFound without the program; kAborted when another
/// worker holds the folder, kFailedPrecondition when another operation used it in between.
absl::StatusOr<v1::StageResult> RunWorkerJob(OperationContext& context, worker::v1::WorkerJob job,
                                             const WorkerRun& run);

}  // namespace trainyard::service
