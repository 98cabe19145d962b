#include "libs/worker/run_alone.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/scratch_folder.h"
#include "libs/base/status.h"
#include "libs/worker/process.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::worker {

absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  absl::Duration patience) {
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
  if (!process->Wait(patience).has_value()) {
    return absl::DeadlineExceededError(
        absl::StrCat(program, " did not end within ", absl::FormatDuration(patience)));
  }
  TY_ASSIGN_OR_RETURN(const std::vector<WorkerEvent> events, JournalReader(folder).Poll());
  for (const WorkerEvent& event : events) {
    if (!event.has_finished()) continue;
    TY_RETURN_IF_ERROR(StatusFromRpc(event.finished().status()));
    return event.finished();
  }
  return WithReason(absl::InternalError(absl::StrCat(program, " ended before it could finish (",
                                                     DescribeExit(*process->Poll()), ")")),
                    "WORKER_CRASHED");
}

}  // namespace trainyard::worker
