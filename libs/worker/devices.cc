#include "libs/worker/devices.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/worker/internal/spawn.h"
#include "libs/worker/process.h"

namespace trainyard::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostBytes = 64 << 10;

// All that comes through `fd` until its other end closes.
absl::StatusOr<std::string> ReadToEnd(int fd, Clock::time_point deadline) {
  std::string text;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd watched{fd, POLLIN, 0};
    if (left < 0 || poll(&watched, 1, static_cast<int>(left) + 1) == 0) {
      return absl::DeadlineExceededError("it said nothing in time");
    }
    char part[4096];
    const ssize_t count = read(fd, part, sizeof(part));
    if (count == 0) return text;
    if (count < 0 && errno != EINTR) {
      return absl::InternalError(absl::StrCat("cannot read what it prints: ", strerror(errno)));
    }
    if (count > 0) text.append(part, static_cast<size_t>(count));
    if (text.size() > kMostBytes) return absl::InternalError("it prints too much");
  }
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// What `program` prints when it is started with --devices.
absl::StatusOr<std::string> Ask(const std::string& program, absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot make a pipe: ", strerror(errno)));
  }
  const absl::Cleanup close_ours = [fd = ends[0]] { close(fd); };
  const auto pid = internal::Spawn({.arguments = {program, "--devices"},
                                    .environment = {},
                                    .log_path = "",
                                    .inherited = {{ends[1], 1}}});
  close(ends[1]);
  TY_RETURN_IF_ERROR(pid.status());
  absl::StatusOr<std::string> text = ReadToEnd(
      ends[0], Clock::now() + absl::ToChronoMilliseconds(timeout));
  if (!text.ok()) kill(*pid, SIGKILL);
  const int ended = Reap(*pid);
  if (text.ok() && ended != 0) return absl::InternalError(DescribeExit(ended));
  return text;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> DevicesOf(const std::string& program,
                                                   absl::Duration timeout) {
  std::string path = program;
  if (!absl::StartsWith(path, "/")) {
    TY_ASSIGN_OR_RETURN(path, FindProgram(program));
  }
  const auto text = Ask(path, timeout);
  if (!text.ok()) return Annotate(text.status(), absl::StrCat("'", path, " --devices'"));
  return std::vector<std::string>(absl::StrSplit(*text, '\n', absl::SkipEmpty()));
}

}  // namespace trainyard::worker
