#include "libs/worker/internal/watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/writes.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::worker::internal {
namespace {

constexpr int kExitStopped = 143;
constexpr int kBeatMs = 1000;
// After a stop request it looks more often.
constexpr int kStoppingBeatMs = 100;
// How long a task may take to come to its end once nothing is left to save.
constexpr double kGiveUpSeconds = 1;
// How long a task that saves may do nothing at all.
constexpr double kStillSeconds = 10;
// How long it may write nothing and be at work: a key is derived and a model packed before the first
// byte, which takes a busy machine its time.
constexpr double kBusySeconds = 60;
// More than this thread itself needs in that time.
constexpr double kWorkSeconds = 0.1;

double ProcessorSeconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Watcher::Watcher(int control_fd) : control_fd_(control_fd) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  done_fd_ = eventfd(0, EFD_CLOEXEC);
  // Opened now: a process that must not be dumped may not open it any more.
  io_fd_ = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
  thread_ = std::thread([this] { Watch(); });
}

Watcher::~Watcher() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(done_fd_, &one, sizeof(one));
  thread_.join();
  close(signal_fd_);
  close(done_fd_);
  if (io_fd_ >= 0) close(io_fd_);
}

bool Watcher::IsOrphan() const {
  if (control_fd_ < 0) return false;
  // The starter says nothing: what is to be read is the end.
  pollfd watched{control_fd_, POLLIN, 0};
  return poll(&watched, 1, 0) > 0;
}

void Watcher::SetSaving(bool saving) { saving_ = saving; }

void Watcher::SetLastWords(std::function<void(absl::string_view)> say) {
  const std::lock_guard<std::mutex> lock(mutex_);
  last_words_ = std::move(say);
}

void Watcher::Watch() {
  pollfd watched[] = {{done_fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}, {control_fd_, POLLIN, 0}};
  double looked = SecondsNow();
  SendBeat();
  while (true) {
    const bool stopping = stop_.stop_requested();
    const int ready = poll(watched, 3, stopping ? kStoppingBeatMs : kBeatMs);
    if (ready < 0 && errno == EINTR) continue;
    if (watched[0].revents != 0) return;
    if (watched[1].revents != 0) {
      signalfd_siginfo info;
      if (read(signal_fd_, &info, sizeof(info)) > 0) OnStop();
    }
    if (watched[2].revents != 0) {
      LogWarning("the starter of this worker is gone");
      watched[2].fd = -1;
      OnStop();
    }
    // Time in which the whole process was stopped does not count.
    const double now = SecondsNow();
    const double waited = std::min(now - looked, 1.0);
    looked = now;
    if (stopping) EndIfStill(waited);
    SendBeat();
  }
}

void Watcher::OnStop() {
  if (stop_.stop_requested()) return;
  stillness_.Note(saving_, BytesWritten(), false);
  work_mark_ = ProcessorSeconds();
  stop_.request_stop();
}

// A starter that hears nothing of this is none of ours, or dead: no matter.
void Watcher::SendBeat() const {
  if (control_fd_ < 0) return;
  v1::WorkerBeat beat;
  beat.set_bytes_written(BytesWritten());
  beat.set_syncing(SyncsUnderWay() > 0);
  beat.set_saving(saving_);
  beat.set_stopping(stop_.stop_requested());
  const std::string bytes = beat.SerializeAsString();
  [[maybe_unused]] const ssize_t sent =
      send(control_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Watcher::EndIfStill(double seconds) {
  const bool saving = saving_;
  stillness_.Pass(seconds);
  stillness_.Note(saving, BytesWritten(), SyncsUnderWay() > 0);
  idle_seconds_ += seconds;
  if (stillness_.seconds() == 0 || ProcessorSeconds() - work_mark_ >= kWorkSeconds) {
    idle_seconds_ = 0;
    work_mark_ = ProcessorSeconds();
  }
  const bool still = saving ? idle_seconds_ >= kStillSeconds || stillness_.seconds() >= kBusySeconds
                            : stillness_.seconds() >= kGiveUpSeconds;
  if (!still) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (last_words_) {
      last_words_(saving ? "stopped on request; nothing was written for long, so what it was about to "
                           "save is given up"
                         : "stopped on request; the step in hand is given up");
    }
  }
  _exit(kExitStopped);
}

int64_t Watcher::BytesWritten() const {
  char text[512];
  const ssize_t size = io_fd_ < 0 ? -1 : pread(io_fd_, text, sizeof(text) - 1, 0);
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* line = strstr(text, "wchar: ");
  return line == nullptr ? 0 : strtoll(line + 7, nullptr, 10);
}

}  // namespace trainyard::worker::internal
