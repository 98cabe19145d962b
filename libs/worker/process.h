#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::worker {

/// Starts and ends a worker process. posix_spawn; the worker ends when this object's control pipe
/// closes, so a dead parent leaves no orphan at work. Not thread-safe.
class Process {
 public:
  struct Options {
    /// The program: absolute, or a name that FindProgram resolves.
    std::string program;
    std::string job_dir;
    /// Added to a minimal environment (PATH, HOME, LANG, CUDA and TRAINYARD variables pass through).
    std::map<std::string, std::string> environment;
    /// stdout and stderr are appended here.
    std::string log_path;
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
  /// SIGTERM now; the caller follows with Kill() after its grace (1.5 s).
  void Terminate();
  void Kill();

 private:
  Process(pid_t pid, int control_fd) : pid_(pid), control_fd_(control_fd) {}
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
