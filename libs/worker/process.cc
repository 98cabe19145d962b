#include "libs/worker/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/worker/internal/memory_group.h"
#include "libs/worker/internal/spawn.h"
#include "libs/worker/key_pipe.h"

namespace trainyard::worker {
namespace {

// The numbers under which the worker finds what it gets.
constexpr int kControlFd = 3;
constexpr int kLockFd = 4;
constexpr int kKeyFd = 5;
// Where there is no pidfd: how long a death may go unseen.
constexpr absl::Duration kPollInterval = absl::Milliseconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(const v1::WorkerJob& job, Options options) {
  std::string program = options.program;
  if (!absl::StartsWith(program, "/")) {
    TY_ASSIGN_OR_RETURN(program, FindProgram(options.program));
  }
  TY_RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(options.job_dir, "job.pb"), job.SerializeAsString()));
  internal::SpawnOptions spawn{.arguments = {program, "--job", options.job_dir, "--epoch",
                                             absl::StrCat(job.fencing_epoch()), "--control-fd",
                                             absl::StrCat(kControlFd)},
                               .environment = options.environment,
                               .log_path = options.log_path};
  const auto give = [&spawn](int ours, int theirs, const char* flag) {
    spawn.arguments.emplace_back(flag);
    spawn.arguments.push_back(absl::StrCat(theirs));
    spawn.inherited.emplace_back(ours, theirs);
  };
  int ends[2];
  // Close-on-exec on both: other workers that start meanwhile must not hold this socket open.
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot make a socket: ", strerror(errno)));
  }
  absl::Cleanup close_ours = [ours = ends[1]] { close(ours); };
  const absl::Cleanup close_theirs = [theirs = ends[0]] { close(theirs); };
  spawn.inherited.emplace_back(ends[0], kControlFd);
  if (options.lock_fd >= 0) give(options.lock_fd, kLockFd, "--lock-fd");
  int key_fd = -1;
  const absl::Cleanup close_key = [&key_fd] {
    if (key_fd >= 0) close(key_fd);
  };
  if (!options.key.empty()) {
    TY_ASSIGN_OR_RETURN(key_fd, MakeKeyPipe(options.key));
    give(key_fd, kKeyFd, "--key-fd");
  }
  std::unique_ptr<internal::MemoryGroup> memory;
  if (options.memory_bytes > 0 && !options.bounds_data) {
    memory = internal::MemoryGroup::Make(options.memory_bytes);
  } else if (options.memory_bytes > 0) {
    spawn.arguments.insert(spawn.arguments.end(), {"--memory", absl::StrCat(options.memory_bytes)});
  }
  TY_ASSIGN_OR_RETURN(const pid_t pid, internal::Spawn(spawn));
  if (memory != nullptr && !memory->Add(pid)) memory.reset();
  if (options.memory_bytes > 0 && !options.bounds_data && memory == nullptr) {
    LogWarning("memory of a worker is not bounded: this process may make no cgroup",
               {{"program", program}});
  }
  std::move(close_ours).Cancel();
  return std::unique_ptr<Process>(new Process(pid, ends[1], std::move(memory)));
}

Process::Process(pid_t pid, int control_fd, std::unique_ptr<internal::MemoryGroup> memory)
    : memory_(std::move(memory)), pid_(pid), control_fd_(control_fd) {}

bool Process::RanOutOfMemory() const { return memory_ != nullptr && memory_->RanOut(); }

Process::~Process() {
  if (!status_.has_value() && !Poll().has_value()) {
    Kill();
    int status;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }
  close(control_fd_);
}

std::optional<int> Process::Poll() {
  if (status_.has_value()) return status_;
  int status;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended == pid_) status_ = status;
  return status_;
}

std::optional<int> Process::Wait(absl::Duration timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  while (!Poll().has_value()) {
    const absl::Duration left = timeout - absl::FromChrono(Clock::now() - begin);
    if (left <= absl::ZeroDuration()) break;
    AwaitProcessEnd(pid_, left);
  }
  return status_;
}

void Process::Terminate() {
  if (!Poll().has_value()) kill(pid_, SIGTERM);
}

void Process::Kill() {
  if (!Poll().has_value()) kill(pid_, SIGKILL);
}

bool Process::ReadBeats(v1::WorkerBeat* newest) {
  char message[256];
  bool came = false;
  while (true) {
    const ssize_t size = recv(control_fd_, message, sizeof(message), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return came;
    came |= newest->ParseFromArray(message, static_cast<int>(size));
  }
}

void AwaitProcessEnd(pid_t pid, absl::Duration timeout) {
  // The C library's pidfd_open has no C++ linkage in this version.
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  const absl::Duration wait = std::min(timeout, fd >= 0 ? absl::Hours(1) : kPollInterval);
  pollfd watched{fd, POLLIN, 0};  // poll ignores a negative descriptor
  poll(&watched, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
  if (fd >= 0) close(fd);
}

absl::StatusOr<std::string> FindProgram(const std::string& name) {
  std::vector<std::string> places;
  if (const char* dir = getenv("TRAINYARD_WORKER_DIR"); dir != nullptr && *dir != '\0') {
    places.emplace_back(dir);
  }
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  if (length > 0) places.push_back(DirName(absl::string_view(self, static_cast<size_t>(length))));
  if (const char* path = getenv("PATH"); path != nullptr) {
    for (absl::string_view place : absl::StrSplit(path, ':', absl::SkipEmpty())) {
      places.emplace_back(place);
    }
  }
  for (const std::string& place : places) {
    const std::string candidate = JoinPath(place, name);
    if (FileExists(candidate) && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(absl::StrCat("no program '", name, "' in ",
                                          absl::StrJoin(places, ", "),
                                          "; set TRAINYARD_WORKER_DIR to its folder"));
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) return absl::StrCat("killed by signal ", WTERMSIG(wait_status));
  return absl::StrCat("exit code ", WEXITSTATUS(wait_status));
}

}  // namespace trainyard::worker
