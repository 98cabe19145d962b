#include "libs/worker/runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::worker {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(250);
// Without a parent nobody sends SIGKILL: a worker that does not stop by itself is ended.
constexpr int kOrphanGraceMs = 10000;

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadSpec = 2;
constexpr int kExitRetry = 75;
constexpr int kExitStopped = 143;

struct Arguments {
  std::string job_dir;
  int control_fd = -1;
};

std::optional<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const absl::string_view flag = argv[i];
    if (i + 1 == argc) return std::nullopt;
    if (flag == "--job") {
      arguments.job_dir = argv[i + 1];
    } else if (flag != "--control-fd" || !absl::SimpleAtoi(argv[i + 1], &arguments.control_fd)) {
      return std::nullopt;
    }
  }
  if (arguments.job_dir.empty()) return std::nullopt;
  return arguments;
}

// Turns SIGTERM, SIGINT and the closing of the control pipe into a stop request. Made before any
// other thread, which then inherits the blocked signals.
class StopWatcher {
 public:
  explicit StopWatcher(int control_fd) : control_fd_(control_fd) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
    done_fd_ = eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { Watch(); });
  }
  ~StopWatcher() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(done_fd_, &one, sizeof(one));
    thread_.join();
    close(signal_fd_);
    close(done_fd_);
  }
  std::stop_token token() const { return stop_.get_token(); }

 private:
  void Watch() {
    pollfd watched[] = {{done_fd_, POLLIN, 0}, {signal_fd_, POLLIN, 0}, {control_fd_, POLLIN, 0}};
    bool orphan = false;
    while (true) {
      const int ready = poll(watched, 3, orphan ? kOrphanGraceMs : -1);
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) _exit(kExitStopped);
      if (watched[0].revents != 0) return;
      if (watched[1].revents != 0) {
        signalfd_siginfo info;
        if (read(signal_fd_, &info, sizeof(info)) > 0) stop_.request_stop();
      }
      if (watched[2].revents != 0) {
        LogWarning("the starter of this worker is gone");
        stop_.request_stop();
        watched[2].fd = -1;
        orphan = true;
      }
    }
  }

  int control_fd_;
  int signal_fd_;
  int done_fd_;
  std::stop_source stop_;
  std::thread thread_;
};

// The key leaves the environment at once, so that no child and no dump of it has it.
absl::StatusOr<std::string> TakeKey(const std::string& variable) {
  if (variable.empty()) return std::string();
  const char* value = getenv(variable.c_str());
  if (value == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job's key should be in the variable ", variable, ", which is not set"));
  }
  std::string key(value);
  unsetenv(variable.c_str());
  RegisterSecret(key);
  return key;
}

absl::StatusOr<WorkerJob> ReadJob(const std::string& job_dir) {
  const std::string path = JoinPath(job_dir, "job.pb");
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, int64_t{64} << 20));
  WorkerJob job;
  if (!job.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat("'", path, "' is no worker job"));
  }
  return job;
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return kExitBadSpec;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
      return kExitRetry;
    case absl::StatusCode::kCancelled:
      return kExitStopped;
    default:
      return kExitFailed;
  }
}

// Exceptions of the runtimes below end here, at the outermost edge.
absl::StatusOr<Finished> RunTask(const std::function<absl::StatusOr<Task>(const WorkerJob&)>& choose,
                                 Context& context) {
  try {
    TY_ASSIGN_OR_RETURN(const Task task, choose(context.job));
    return task(context);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("an exception reached the worker's edge: ", error.what()));
  }
}

absl::Status Work(const WorkerJob& job, const std::string& job_dir, std::stop_token stop,
                  const std::function<absl::StatusOr<Task>(const WorkerJob&)>& choose) {
  TY_ASSIGN_OR_RETURN(const std::string key, TakeKey(job.key_env()));
  TY_ASSIGN_OR_RETURN(const auto journal, Journal::Open(job_dir, job.fencing_epoch()));
  Context context{job, *journal, key, std::move(stop)};
  absl::StatusOr<Finished> result = RunTask(choose, context);
  context.Flush();
  WorkerEvent event;
  if (result.ok()) *event.mutable_finished() = *result;
  *event.mutable_finished()->mutable_status() = RpcStatusFrom(result.status());
  TY_RETURN_IF_ERROR(journal->Append(std::move(event)));
  return result.status();
}

int PrintDevices(const Program& program) {
  const auto devices = program.devices();
  if (!devices.ok()) {
    std::cerr << devices.status().message() << "\n";
    return ExitCodeOf(devices.status());
  }
  for (const std::string& device : *devices) std::cout << device << "\n";
  return 0;
}

}  // namespace

void Context::Progress(double done, double total, absl::string_view unit,
                       absl::string_view message) {
  const absl::Time now = absl::Now();
  if (begin_ == absl::InfinitePast() || pending_.unit() != unit || done < first_done_) {
    begin_ = now;
    first_done_ = done;
  }
  pending_.set_done(done);
  pending_.set_total(total);
  pending_.set_unit(std::string(unit));
  pending_.set_message(Redact(message));
  const double seconds = absl::ToDoubleSeconds(now - begin_);
  const double rate = seconds > 0 ? (done - first_done_) / seconds : 0;
  pending_.set_rate(rate);
  pending_.set_eta_seconds(rate > 0 && total >= done ? (total - done) / rate : -1);
  is_pending_ = true;
  if (now - written_ >= kProgressInterval || (total > 0 && done >= total)) {
    written_ = now;
    Flush();
  }
}

void Context::Flush() {
  if (!is_pending_) return;
  is_pending_ = false;
  WorkerEvent event;
  *event.mutable_progress() = pending_;
  const absl::Status status = journal.Append(std::move(event));
  if (!status.ok()) LogError("cannot append to the journal", {{"error", status.ToString()}});
}

void Context::Warn(const absl::Status& status) {
  if (status.ok()) return;
  LogWarning("the job goes on after a problem", {{"problem", std::string(status.message())}});
  WorkerEvent event;
  *event.mutable_warning() = RpcStatusFrom(status);
  const absl::Status appended = journal.Append(std::move(event));
  if (!appended.ok()) LogError("cannot append to the journal", {{"error", appended.ToString()}});
}

int RunWorker(int argc, char** argv, const Program& program) {
  if (argc == 2 && absl::string_view(argv[1]) == "--devices") return PrintDevices(program);
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments.has_value()) {
    std::cerr << "usage: " << argv[0] << " --job JOB_DIR [--control-fd N] | --devices\n"
              << "Runs the job that JOB_DIR/job.pb describes; a service starts it.\n";
    return kExitBadSpec;
  }
  if (arguments->control_fd >= 0) fcntl(arguments->control_fd, F_SETFD, FD_CLOEXEC);
  StopWatcher watcher(arguments->control_fd);
  const auto job = ReadJob(arguments->job_dir);
  const absl::Status status =
      job.ok() ? Work(*job, arguments->job_dir, watcher.token(), program.choose) : job.status();
  const std::string operation = job.ok() ? job->operation() : "";
  if (status.ok()) {
    LogInfo("worker done", {{"job", operation}});
  } else if (absl::IsCancelled(status)) {
    LogInfo("worker stopped on request", {{"job", operation}});
  } else {
    LogError("worker failed", {{"job", operation}, {"error", status.ToString()}});
  }
  return ExitCodeOf(status);
}

}  // namespace trainyard::worker
