#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::worker {

namespace internal {
class MemoryGroup;
}

/// Starts and ends a worker process. posix_spawn; the worker ends when this object's control socket
/// closes, so a dead parent leaves no orphan at work for long. Not thread-safe.
class Process {
 public:
  struct Options {
    /// The program: absolute, or a name that FindProgram resolves.
    std::string program;
    std::string job_dir;
    /// Added to the variables that pass through (libs/worker/internal/spawn.h). No secrets: whoever may
    /// look at the process may read them to its end.
    std::map<std::string, std::string> environment;
    /// stdout and stderr are appended here.
    std::string log_path;
    /// The model key; it goes through a pipe. "" = none.
    absl::string_view key = {};
    /// The folder's lock (libs/worker/folder_lock.h), held by the caller; the worker holds it, too, from
    /// its first moment on. -1 = the worker takes it, as one that is started by hand does.
    int lock_fd = -1;
    /// Bytes of memory that the worker may have; 0 = no bound. Bounded by RLIMIT_DATA; with `bounds_data`
    /// off, for workers that use CUDA, which reserves more than it uses, by a cgroup, where this process
    /// may make one.
    int64_t memory_bytes = 0;
    bool bounds_data = true;
  };
  /// Writes `job` to `<job_dir>/job.pb` and starts the program.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const v1::WorkerJob& job, Options options);
  /// Kills (SIGKILL) and reaps if still running.
  ~Process();

  pid_t pid() const { return pid_; }
  /// The wait status once it has ended (reaped), else nothing. Does not block.
  std::optional<int> Poll();
  /// Blocks until it ends or the time is over.
  std::optional<int> Wait(absl::Duration timeout);
  /// SIGTERM: the worker saves what it has to save and ends; it sees to it that it does (runtime.h).
  void Terminate();
  void Kill();
  /// Whether beats came since the last call; `newest` is the last one then. Does not block.
  bool ReadBeats(v1::WorkerBeat* newest);
  /// Whether the kernel killed it because it had all the memory that it may have.
  bool RanOutOfMemory() const;

 private:
  Process(pid_t pid, int control_fd, std::unique_ptr<internal::MemoryGroup> memory);
  // Removed after the process has ended.
  std::unique_ptr<internal::MemoryGroup> memory_;
  pid_t pid_;
  int control_fd_;
  std::optional<int> status_;
};

/// Where a program of ours lies: $TRAINYARD_WORKER_DIR, then the folder of the running program, then
/// PATH. kNotFound names the places.
absl::StatusOr<std::string> FindProgram(const std::string& name);

/// Blocks until the process `pid` (a child or not) has ended or the time is over. May return early: look
/// again at what you wait for. It does not reap.
void AwaitProcessEnd(pid_t pid, absl::Duration timeout);

/// "killed by signal 9", "exit code 1": for messages.
std::string DescribeExit(int wait_status);

}  // namespace trainyard::worker
