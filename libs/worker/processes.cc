#include "libs/worker/processes.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"

namespace trainyard::worker {
namespace {

// Files of /proc say that they have no bytes.
std::string ReadProc(pid_t pid, const char* name) {
  std::string text;
  const int fd = open(absl::StrCat("/proc/", pid, "/", name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char part[4096];
  ssize_t count;
  while ((count = read(fd, part, sizeof(part))) > 0) text.append(part, static_cast<size_t>(count));
  close(fd);
  return text;
}

// The word after `flag`, or "".
std::string After(const std::vector<std::string>& words, const char* flag) {
  const auto found = std::find(words.begin(), words.end(), flag);
  return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
}

std::optional<RunningWorker> WorkerOf(pid_t pid, const std::string& job_dir) {
  const std::vector<std::string> words = absl::StrSplit(ReadProc(pid, "cmdline"), '\0');
  if (After(words, "--job") != job_dir) return std::nullopt;
  RunningWorker worker{.pid = pid};
  const std::string epoch = After(words, "--epoch");
  if (!epoch.empty() && !absl::SimpleAtoi(epoch, &worker.epoch)) return std::nullopt;
  return worker;
}

}  // namespace

std::vector<RunningWorker> FindWorkers(const std::string& job_dir) {
  std::vector<RunningWorker> workers;
  const auto names = ListFolder("/proc");
  if (!names.ok()) return workers;
  for (const std::string& name : *names) {
    int pid;
    if (!absl::SimpleAtoi(name, &pid)) continue;
    const auto worker = WorkerOf(pid, job_dir);
    if (worker.has_value() && ActivityOf(pid).has_value()) workers.push_back(*worker);
  }
  return workers;
}

std::optional<Activity> ActivityOf(pid_t pid) {
  const std::string text = ReadProc(pid, "stat");
  // "pid (name) state ...": the name may hold anything.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(name_end + 1), ' ', absl::SkipEmpty());
  int64_t user, system;
  // utime and stime are fields 14 and 15 of all, 12 and 13 after the name.
  if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
      !absl::SimpleAtoi(fields[12], &system)) {
    return std::nullopt;
  }
  const std::string& state = fields[0];
  if (state == "Z" || state == "X") return std::nullopt;
  return Activity{.ticks = user + system,
                  .is_stopped = state == "T" || state == "t",
                  .waits_for_disk = state == "D"};
}

void KillWorker(const RunningWorker& worker, const std::string& job_dir) {
  // The number may be another process's by now; the descriptor stays this one's.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, worker.pid, 0));
  const auto now = WorkerOf(worker.pid, job_dir);
  if (now.has_value() && now->epoch == worker.epoch) {
    fd >= 0 ? static_cast<void>(syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0))
            : static_cast<void>(kill(worker.pid, SIGKILL));
  }
  if (fd >= 0) close(fd);
}

}  // namespace trainyard::worker
