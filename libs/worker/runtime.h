#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/worker/journal.h"

namespace trainyard::worker {

namespace internal {
class Watcher;
}

/// What a task may use while it works.
struct Context {
  const WorkerJob& job;
  Journal& journal;
  /// The model key, "" when there is none.
  const std::string& key;
  /// Requested by SIGTERM and by the death of the starter: save what is to be saved and return kCancelled.
  /// Look at it between batches. A process that goes on for 1 s after it, and has nothing to save, is
  /// ended with a kCancelled of the runtime's: see SetSaving.
  std::stop_token stop;

  /// Reports progress; at most four a second reach the journal, and always the first and the last.
  void Progress(double done, double total, absl::string_view unit, absl::string_view message);
  void Warn(const absl::Status& status);
  /// Writes the newest progress if it was held back. RunWorker does it before Finished.
  void Flush();

  /// Says whether an end now would lose what the task saves after a stop request (a checkpoint). While it
  /// is so, the process has all the time that its writing takes; it is ended when it did nothing for 10 s,
  /// or wrote nothing for 60 s. False at first. May be called by any thread.
  void SetSaving(bool saving);

  /// The runtime's; null where a test is the runtime.
  internal::Watcher* watcher_ = nullptr;
  /// Of Progress; leave them alone. A Context is used by one thread.
  std::optional<std::chrono::steady_clock::time_point> begin_, written_;
  double first_done_ = 0;
  bool is_pending_ = false;
  trainyard::v1::Progress pending_ = {};
};

/// Runs a task and returns what it made. The status becomes Finished.status.
using Task = std::function<absl::StatusOr<Finished>(Context&)>;

/// What distinguishes one worker program from another.
struct Program {
  /// The task of a job.
  std::function<absl::StatusOr<Task>(const WorkerJob&)> choose;
  /// Its devices, a line each (libs/worker/devices.h).
  std::function<absl::StatusOr<std::vector<std::string>>()> devices;
};

/// The main function of every worker program:
///
///     worker --job JOB_DIR [--key-fd N]
///     worker --job JOB_DIR --epoch E --control-fd N [--lock-fd N] [--key-fd N] [--memory BYTES]
///     worker --devices
///
/// The first form is for people and for torchrun; services use the second. Reads JOB_DIR/job.pb, takes
/// the folder's lock (--lock-fd: has it already), runs the task that `choose` returns for the job,
/// appends Finished, and returns the exit code: 0 done, 1 failed, 2 the job is wrong, 75 try again,
/// 143 stopped. Log lines go to stderr. With --devices it prints them and ends.
///
/// --epoch: the fencing epoch that the starter gave; a job.pb with another one is not this worker's.
/// --control-fd: a socket of the starter. When it closes, the starter is dead: the work is stopped, or
/// not begun. The runtime says on it once a second that the process is not stopped.
/// --key-fd: the model key is all that this descriptor gives until its end, byte for byte:
/// `--key-fd 9 9< <(printf %s "$KEY")`. Without it, the key is in the variable that the job names.
/// --memory: bound of the process's data (RLIMIT_DATA).
///
/// From here on the process leaves no core dump, and no other process of its user may look into it:
/// call this before any other work. While the program is being loaded, one may.
int RunWorker(int argc, char** argv, const Program& program);

}  // namespace trainyard::worker
