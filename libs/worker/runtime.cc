#include "libs/worker/runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/worker/internal/watcher.h"
#include "libs/worker/key_pipe.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::worker {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(250);

constexpr int kExitDone = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadSpec = 2;
constexpr int kExitRetry = 75;
constexpr int kExitStopped = 143;

struct Arguments {
  std::string job_dir;
  int64_t epoch = -1;  // -1 = not said
  int control_fd = -1, lock_fd = -1, key_fd = -1;
  int64_t memory_bytes = 0;
};

std::optional<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const absl::string_view flag = argv[i];
    if (i + 1 == argc) return std::nullopt;
    const absl::string_view value = argv[i + 1];
    bool good = true;
    if (flag == "--job") {
      arguments.job_dir = std::string(value);
    } else if (flag == "--epoch") {
      good = absl::SimpleAtoi(value, &arguments.epoch) && arguments.epoch >= 0;
    } else if (flag == "--control-fd") {
      good = absl::SimpleAtoi(value, &arguments.control_fd);
    } else if (flag == "--lock-fd") {
      good = absl::SimpleAtoi(value, &arguments.lock_fd);
    } else if (flag == "--key-fd") {
      good = absl::SimpleAtoi(value, &arguments.key_fd);
    } else if (flag == "--memory") {
      good = absl::SimpleAtoi(value, &arguments.memory_bytes);
    } else {
      good = false;
    }
    if (!good) return std::nullopt;
  }
  if (arguments.job_dir.empty()) return std::nullopt;
  for (const int fd : {arguments.control_fd, arguments.lock_fd, arguments.key_fd}) {
    if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  return arguments;
}

void BoundMemory(int64_t bytes) {
  if (bytes <= 0) return;
  const rlimit bound{static_cast<rlim_t>(bytes), static_cast<rlim_t>(bytes)};
  if (setrlimit(RLIMIT_DATA, &bound) != 0) {
    LogWarning("memory cannot be bounded", {{"bytes", bytes}, {"error", strerror(errno)}});
  }
}

// The key leaves the environment at once, so that no child has it.
absl::StatusOr<std::string> KeyOfVariable(const std::string& variable) {
  if (variable.empty()) return std::string();
  const char* value = getenv(variable.c_str());
  if (value == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job's key should be in the variable ", variable, ", which is not set"));
  }
  std::string key(value);
  unsetenv(variable.c_str());
  return key;
}

absl::StatusOr<std::string> TakeKey(const Arguments& arguments, const WorkerJob& job) {
  TY_ASSIGN_OR_RETURN(std::string key, arguments.key_fd >= 0 ? ReadKeyPipe(arguments.key_fd)
                                                             : KeyOfVariable(job.key_env()));
  if (!key.empty()) RegisterSecret(key);
  return key;
}

absl::StatusOr<WorkerJob> ReadJob(const Arguments& arguments) {
  const std::string path = JoinPath(arguments.job_dir, "job.pb");
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, int64_t{64} << 20));
  WorkerJob job;
  if (!job.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat("'", path, "' is no worker job"));
  }
  if (arguments.epoch >= 0 && job.fencing_epoch() != arguments.epoch) {
    return absl::AbortedError(absl::StrCat("'", path, "' is of epoch ", job.fencing_epoch(),
                                           "; this worker was started for epoch ", arguments.epoch));
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

absl::Status OutOfMemory(int64_t bound) {
  if (bound <= 0) return absl::ResourceExhaustedError("out of memory");
  return absl::ResourceExhaustedError(
      absl::StrCat("out of memory: the job may have ", bound >> 20, " MiB; --job-memory sets the bound"));
}

// Exceptions of the runtimes below end here, at the outermost edge.
absl::StatusOr<Finished> RunTask(const Program& program, Context& context, int64_t memory_bound) {
  try {
    TY_ASSIGN_OR_RETURN(const Task task, program.choose(context.job));
    return task(context);
  } catch (const std::bad_alloc&) {
    return OutOfMemory(memory_bound);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("an exception reached the worker's edge: ", error.what()));
  }
}

absl::StatusOr<std::unique_ptr<Journal>> OpenJournal(const Arguments& arguments,
                                                     const WorkerJob& job) {
  if (arguments.lock_fd < 0) return Journal::Open(arguments.job_dir, job.fencing_epoch());
  TY_ASSIGN_OR_RETURN(FolderLock lock, FolderLock::Inherit(arguments.job_dir, arguments.lock_fd));
  return Journal::Open(arguments.job_dir, job.fencing_epoch(), std::move(lock));
}

absl::Status AppendFinished(Journal& journal, const absl::StatusOr<Finished>& result) {
  WorkerEvent event;
  if (result.ok()) *event.mutable_finished() = *result;
  *event.mutable_finished()->mutable_status() = RpcStatusFrom(result.status());
  return journal.Append(std::move(event));
}

absl::Status Work(const Arguments& arguments, const WorkerJob& job, internal::Watcher& watcher,
                  const Program& program) {
  TY_ASSIGN_OR_RETURN(std::string key, TakeKey(arguments, job));
  const absl::Cleanup wipe = [&key] { Wipe(key); };
  GuardWrites(job.write_root());
  // Who started this may be dead by now, and its successor waits for the folder.
  if (watcher.IsOrphan()) return absl::CancelledError("the starter of this worker is gone");
  TY_ASSIGN_OR_RETURN(const auto journal, OpenJournal(arguments, job));
  watcher.SetLastWords([&journal](absl::string_view why) {
    AppendFinished(*journal, absl::CancelledError(why)).IgnoreError();
  });
  const absl::Cleanup silence = [&watcher] { watcher.SetLastWords(nullptr); };
  Context context{job, *journal, key, watcher.token(), &watcher};
  const absl::StatusOr<Finished> result = RunTask(program, context, arguments.memory_bytes);
  context.Flush();
  TY_RETURN_IF_ERROR(AppendFinished(*journal, result));
  return result.status();
}

// Ends the process without taking the runtimes below down: LibTorch alone needs 0.15 s of processor time for
// that, seconds on a busy machine, while somebody waits for the end of what he cancelled. What is to be kept
// has been written by now.
int EndWith(int exit_code) {
#if !defined(__SANITIZE_ADDRESS__)  // whose search for leaks comes at the exit
  _exit(exit_code);
#endif
  return exit_code;
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
  const auto now = std::chrono::steady_clock::now();
  if (!begin_.has_value() || pending_.unit() != unit || done < first_done_) {
    begin_ = now;
    first_done_ = done;
  }
  pending_.set_done(done);
  pending_.set_total(total);
  pending_.set_unit(std::string(unit));
  pending_.set_message(Redact(message));
  const double seconds = std::chrono::duration<double>(now - *begin_).count();
  const double rate = seconds > 0 ? (done - first_done_) / seconds : 0;
  pending_.set_rate(rate);
  pending_.set_eta_seconds(rate > 0 && total >= done ? (total - done) / rate : -1);
  is_pending_ = true;
  const bool is_due = !written_.has_value() || now - *written_ >= kProgressInterval;
  if (is_due || (total > 0 && done >= total)) {
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

void Context::SetSaving(bool saving) {
  if (watcher_ != nullptr) watcher_->SetSaving(saving);
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
  // Before anything else: the key may lie in a pipe or in the environment already.
  ForbidDumps();
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments.has_value()) {
    std::cerr << "usage: " << argv[0] << " --job JOB_DIR [--key-fd N] | --devices\n"
              << "Runs the job that JOB_DIR/job.pb describes. The model key is what descriptor N gives,\n"
              << "or is in the variable that the job names. Services add --epoch, --control-fd,\n"
              << "--lock-fd and --memory.\n";
    return kExitBadSpec;
  }
  internal::Watcher watcher(arguments->control_fd);
  // A file that may not grow is an error to be told, as a full disk is.
  signal(SIGXFSZ, SIG_IGN);
  BoundMemory(arguments->memory_bytes);
  const auto job = ReadJob(*arguments);
  const absl::Status status = job.ok() ? Work(*arguments, *job, watcher, program) : job.status();
  const std::string operation = job.ok() ? job->operation() : "";
  if (status.ok()) {
    LogInfo("worker done", {{"job", operation}});
  } else if (absl::IsCancelled(status)) {
    LogInfo("worker stopped on request", {{"job", operation}});
  } else {
    LogError("worker failed", {{"job", operation}, {"error", status.ToString()}});
  }
  return EndWith(ExitCodeOf(status));
}

}  // namespace trainyard::worker
