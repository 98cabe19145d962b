#include "libs/worker/run_alone.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/scratch_folder.h"
#include "libs/base/status.h"
#include "libs/worker/process.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::worker {
namespace {

constexpr absl::Duration kBetweenLooks = absl::Milliseconds(200);

// Waits for the end, and tells of the progress meanwhile. False: it did not end in time.
absl::StatusOr<bool> Await(Process& process, const std::string& folder,
                           const AloneOptions& options, std::vector<WorkerEvent>* events) {
  JournalReader journal(folder);
  const absl::Time deadline = absl::Now() + options.patience;
  const absl::Duration step = options.on_progress ? kBetweenLooks : absl::InfiniteDuration();
  bool ended = false;
  while (!ended) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    ended = process.Wait(std::min(left, step)).has_value();
    if (!ended && !options.on_progress) continue;
    TY_ASSIGN_OR_RETURN(std::vector<WorkerEvent> seen, journal.Poll());
    for (WorkerEvent& event : seen) {
      if (event.has_progress() && options.on_progress) options.on_progress(event.progress());
      if (event.has_finished()) events->push_back(std::move(event));
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  absl::Duration patience) {
  return RunAlone(program, std::move(job), key, AloneOptions{.patience = patience});
}

absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  const AloneOptions& options) {
  TY_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make("trainyard-job"));
  const std::string& folder = scratch.path();
  job.set_job_dir(folder);
  job.set_fencing_epoch(1);
  job.set_threads(std::max(1, job.threads()));
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<Process> process,
                      Process::Start(job, {.program = program,
                                           .job_dir = folder,
                                           .log_path = JoinPath(folder, "worker.log"),
                                           .key = key}));
  std::vector<WorkerEvent> events;
  TY_ASSIGN_OR_RETURN(const bool ended, Await(*process, folder, options, &events));
  if (!ended) {
    return absl::DeadlineExceededError(
        absl::StrCat(program, " did not end within ", absl::FormatDuration(options.patience)));
  }
  for (const WorkerEvent& event : events) {
    TY_RETURN_IF_ERROR(StatusFromRpc(event.finished().status()));
    return event.finished();
  }
  return WithReason(absl::InternalError(absl::StrCat(program, " ended before it could finish (",
                                                     DescribeExit(*process->Poll()), ")")),
                    "WORKER_CRASHED");
}

}  // namespace trainyard::worker
