#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/worker/journal.h"

namespace trainyard::worker {

/// What a task may use while it works.
struct Context {
  const WorkerJob& job;
  Journal& journal;
  /// The model key, "" when there is none.
  const std::string& key;
  /// Requested by SIGTERM and by the closing of the control pipe: write a checkpoint and return
  /// kCancelled soon. Look at it between batches.
  std::stop_token stop;

  /// Reports progress; at most four a second reach the journal, and always the first and the last.
  void Progress(double done, double total, absl::string_view unit, absl::string_view message);
  void Warn(const absl::Status& status);
  /// Writes the newest progress if it was held back. RunWorker does it before Finished.
  void Flush();

  /// Of Progress; leave them alone. A Context is used by one thread.
  absl::Time begin_ = absl::InfinitePast(), written_ = absl::InfinitePast();
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
///     worker --job JOB_DIR [--control-fd N]
///     worker --devices
///
/// Reads JOB_DIR/job.pb, takes the lock, starts the watcher of the control pipe and of SIGTERM, runs
/// the task that `choose` returns for the job, appends Finished, and returns the exit code of
/// conventions.md section 17 (0, 1, 2, 75, 143). Log lines go to stderr. With --devices it prints them
/// and ends.
int RunWorker(int argc, char** argv, const Program& program);

}  // namespace trainyard::worker
