#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trainyard::worker {

/// A worker process of this machine, found by its command line.
struct RunningWorker {
  pid_t pid = 0;
  /// What follows --epoch; 0 for one that was started by hand without.
  int64_t epoch = 0;
};

/// The workers that were started with `--job job_dir` and have not ended. Those of other machines and
/// of process namespaces that are not to be seen from here are missing.
std::vector<RunningWorker> FindWorkers(const std::string& job_dir);

/// What a process does, as anybody may see it.
struct Activity {
  /// Processor time so far, in clock ticks.
  int64_t ticks = 0;
  /// SIGSTOP or a debugger holds it.
  bool is_stopped = false;
  /// It waits for a disk, and cannot be ended meanwhile.
  bool waits_for_disk = false;
};
/// Nothing when there is no such process, or it is a zombie.
std::optional<Activity> ActivityOf(pid_t pid);

/// SIGKILL, if the process is (still) this worker of `job_dir`.
void KillWorker(const RunningWorker& worker, const std::string& job_dir);

}  // namespace trainyard::worker
