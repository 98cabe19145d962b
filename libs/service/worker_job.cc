#include "libs/service/worker_job.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/internal/worker_outputs.h"
#include "libs/service/internal/worker_past.h"
#include "libs/service/internal/worker_watch.h"
#include "libs/worker/folder_lock.h"
#include "libs/worker/journal.h"
#include "libs/worker/process.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using worker::v1::Finished;
using worker::v1::WorkerEvent;
using worker::v1::WorkerJob;

// How long an event may lie in the journal unread; the end of the worker is seen at once.
constexpr absl::Duration kTailInterval = absl::Milliseconds(50);
constexpr double kDisposableSeconds = 1.5;
constexpr size_t kLogTailBytes = 1024;
constexpr int kExitRetry = 75;

// The last whole lines of a log, which may be larger than the memory.
std::string LogTail(const std::string& path) {
  const auto fd = OpenRegularFile(path);
  if (!fd.ok()) return "";
  char bytes[kLogTailBytes];
  const off_t size = lseek(*fd, 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, size - static_cast<off_t>(kLogTailBytes));
  const ssize_t count = pread(*fd, bytes, sizeof(bytes), begin);
  close(*fd);
  absl::string_view tail(bytes, static_cast<size_t>(std::max<ssize_t>(0, count)));
  const size_t line = tail.find('\n');
  if (begin > 0 && line != absl::string_view::npos) tail.remove_prefix(line + 1);
  return Redact(absl::StripAsciiWhitespace(tail));
}

// Whether a program without memory said so in its last words.
bool SaysOutOfMemory(absl::string_view log) {
  for (const absl::string_view word : {"bad_alloc", "ut of memory", "annot allocate memory"}) {
    if (absl::StrContains(log, word)) return true;
  }
  return false;
}

// One worker from its start to its end.
class WorkerFollower {
 public:
  WorkerFollower(OperationContext& context, const WorkerRun& run, std::string job_dir,
                 worker::JournalReader& reader, int64_t epoch, const WorkerPast& past)
      : context_(context), run_(run), job_dir_(std::move(job_dir)), reader_(reader), epoch_(epoch),
        sequence_(past.last_sequence), checkpoint_(past.checkpoint) {}

  absl::Status Start(const WorkerJob& job, const worker::FolderLock& lock) {
    log_path_ = JoinPath(job_dir_, "worker.log");
    worker::Process::Options options{.program = run_.program,
                                     .job_dir = job_dir_,
                                     .environment = run_.environment,
                                     .log_path = log_path_,
                                     .key = context_.key(),
                                     .lock_fd = lock.fd(),
                                     .memory_bytes = run_.memory_bytes,
                                     .bounds_data = run_.bounds_data};
    const std::string threads = absl::StrCat(job.threads());
    options.environment.emplace("OMP_NUM_THREADS", threads);
    options.environment.emplace("OPENBLAS_NUM_THREADS", threads);
    // Lines of earlier workers would be taken for this one's last words.
    TY_RETURN_IF_ERROR(RemoveTree(log_path_));
    TY_ASSIGN_OR_RETURN(process_, worker::Process::Start(job, std::move(options)));
    context_.SetWorker(absl::StrCat(BaseName(run_.program), ":", process_->pid()));
    context_.SetLogUri(UriOf(log_path_));
    LogInfo("worker started", {{"job", context_.name()}, {"program", run_.program},
                               {"pid", static_cast<int64_t>(process_->pid())}, {"epoch", epoch_}});
    return absl::OkStatus();
  }

  /// Until the worker has ended; the journal is read to its end then.
  absl::Status Follow() {
    using Clock = std::chrono::steady_clock;
    WorkerPatience patience = run_.patience;
    if (run_.is_disposable) patience.still = patience.busy = patience.give_up = kDisposableSeconds;
    WorkerWatch watch(patience);
    Clock::time_point looked = Clock::now();
    bool told_to_stop = false;
    while (!process_->Wait(kTailInterval).has_value()) {
      TY_RETURN_IF_ERROR(ReadJournal());
      if (!told_to_stop && context_.stop().stop_requested()) {
        told_to_stop = true;
        process_->Terminate();
      }
      const Clock::time_point now = Clock::now();
      // Time in which this process itself did not run, or not this thread, does not count.
      const double seconds = std::min(std::chrono::duration<double>(now - looked).count(), 1.0);
      looked = now;
      worker::v1::WorkerBeat beat;
      const bool beats = process_->ReadBeats(&beat);
      if (has_events_) watch.NoteBegun();
      const auto verdict = watch.Look(seconds, beats ? &beat : nullptr, told_to_stop);
      if (verdict != WorkerWatch::Verdict::kFine && killed_ == WorkerWatch::Verdict::kFine) {
        killed_ = verdict;
        LogWarning("worker stands still and is killed", {{"job", context_.name()}});
        process_->Kill();
      }
    }
    return ReadJournal();
  }

  const std::optional<Finished>& finished() const { return finished_; }
  int wait_status() { return *process_->Poll(); }

  /// What to say when there is no Finished.
  absl::Status CrashStatus() {
    if (killed_ == WorkerWatch::Verdict::kSilent) {
      return worker::WithReason(
          absl::AbortedError(absl::StrFormat(
              "%s gave no sign of life for %g s and was killed: it was stopped (SIGSTOP), or its "
              "machine was too busy to run it",
              BaseName(run_.program), run_.patience.silence)),
          "WORKER_SILENT", {{"worker", BaseName(run_.program)}});
    }
    const std::string tail = LogTail(log_path_);
    const std::string message =
        absl::StrCat(BaseName(run_.program), WIFSIGNALED(wait_status()) ? " was " : " ended with ",
                     worker::DescribeExit(wait_status()), " before it could finish",
                     WIFSIGNALED(wait_status()) && WTERMSIG(wait_status()) == SIGKILL
                         ? " (the kernel does so when memory is short)"
                         : "",
                     FolderExists(job_dir_)
                         ? ""
                         : absl::StrCat("; its folder '", UriOf(job_dir_),
                                        "' is not there any more: it was removed or renamed meanwhile"),
                     tail.empty() ? "" : absl::StrCat("; the end of its log: ", tail));
    if (run_.memory_bytes > 0 && (process_->RanOutOfMemory() || SaysOutOfMemory(tail))) {
      return worker::WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                    "out of memory: the job may have ", run_.memory_bytes >> 20,
                                    " MiB; --job-memory sets the bound. ", message)),
                                "OUT_OF_MEMORY");
    }
    const bool retry = WIFEXITED(wait_status()) && WEXITSTATUS(wait_status()) == kExitRetry;
    return worker::WithReason(
        retry ? absl::AbortedError(message) : absl::InternalError(message), "WORKER_CRASHED",
        {{"worker", BaseName(run_.program)}, {"exit", worker::DescribeExit(wait_status())}});
  }

  /// What to say after a stop request.
  absl::Status StoppedStatus(const WorkerJob& job) {
    if (!checkpoint_.empty() && FileExists(checkpoint_)) {
      return absl::CancelledError(absl::StrCat("stopped on request; what was trained is saved in '",
                                               UriOf(checkpoint_), "', from which --resume goes on"));
    }
    const std::string how =
        killed_ == WorkerWatch::Verdict::kFine
            ? ""
            : absl::StrCat(" (", BaseName(run_.program), " stood still and was killed)");
    if (!job.has_train()) return absl::CancelledError(absl::StrCat("stopped on request", how));
    // A checkpoint, or a results folder whose newest one is meant.
    const std::string& from = job.train().resume_model();
    const bool is_there = FileExists(from) || (!from.empty() && !Glob(from + "/weights/*.tlt").empty());
    return absl::CancelledError(absl::StrCat(
        "stopped on request", how, "; nothing was saved",
        is_there ? absl::StrCat(" since '", UriOf(from), "', from which --resume goes on") : ""));
  }

  /// Whether the same job may do better: a kill that was none of ours, and the exit codes that say so.
  bool MayRetry() {
    const int status = wait_status();
    if (WIFSIGNALED(status)) return WTERMSIG(status) == SIGKILL;
    const int code = WEXITSTATUS(status);
    return code == kExitRetry || code == 130 || code == 137 || code == 138;
  }

 private:
  std::string UriOf(const std::string& path) const {
    return run_.workspace == nullptr ? path : run_.workspace->UriOf(path);
  }

  absl::Status ReadJournal() {
    TY_ASSIGN_OR_RETURN(const std::vector<WorkerEvent> events, reader_.Poll());
    for (const WorkerEvent& event : events) {
      // The worker holds the folder's lock, counts its events, and says nothing after its last word.
      if (event.fencing_epoch() != epoch_ || event.sequence() != ++sequence_ || finished_) {
        return worker::WithReason(
            absl::DataLossError(absl::StrCat(
                "the journal in '", job_dir_, "' has an event that is not its worker's (",
                event.sequence(), " of epoch ", event.fencing_epoch(), "): something else writes there; "
                "make the results folder the worker's own, and start again")),
            "JOURNAL_NOT_THE_WORKERS");
      }
      has_events_ = true;
      Take(event);
    }
    return absl::OkStatus();
  }

  void Take(const WorkerEvent& event) {
    switch (event.event_case()) {
      case WorkerEvent::kProgress:
        context_.Report(event.progress());
        break;
      case WorkerEvent::kMetrics:
        context_.ReportMetrics(std::vector<v1::Metric>(event.metrics().metrics().begin(),
                                                       event.metrics().metrics().end()));
        break;
      case WorkerEvent::kCheckpoint:
        checkpoint_ = event.checkpoint().path();
        context_.SetResumeUri(UriOf(checkpoint_));
        break;
      case WorkerEvent::kWarning:
        context_.Warn(worker::StatusFromRpc(event.warning()));
        break;
      case WorkerEvent::kFinished:
        finished_ = event.finished();
        break;
      default:
        break;
    }
  }

  OperationContext& context_;
  const WorkerRun& run_;
  const std::string job_dir_;
  worker::JournalReader& reader_;
  const int64_t epoch_;
  int64_t sequence_;        // of the last event that was read
  std::string checkpoint_;  // the newest of this operation
  std::string log_path_;
  std::unique_ptr<worker::Process> process_;
  std::optional<Finished> finished_;
  bool has_events_ = false;
  WorkerWatch::Verdict killed_ = WorkerWatch::Verdict::kFine;
};

void Complete(WorkerJob& job, const OperationContext& context, const WorkerRun& run,
              const std::string& job_dir, int64_t epoch, const std::string& checkpoint) {
  job.set_operation(context.name());
  job.set_fencing_epoch(epoch);
  job.set_job_dir(job_dir);
  job.set_threads(context.threads());
  if (run.workspace != nullptr) job.set_write_root(run.workspace->root());
  if (job.has_train() && !checkpoint.empty()) job.mutable_train()->set_resume_model(checkpoint);
}

// What a worker that has ended, stopped or not, means for the operation.
absl::StatusOr<v1::StageResult> Conclude(WorkerFollower& follower, const WorkerRun& run,
                                         const WorkerJob& job, const std::stop_token& stop,
                                         bool* retry) {
  const std::optional<Finished>& finished = follower.finished();
  const bool cancelled =
      !finished.has_value() || absl::IsCancelled(worker::StatusFromRpc(finished->status()));
  if (stop.stop_requested() && cancelled) return follower.StoppedStatus(job);
  if (!finished.has_value()) {
    *retry = follower.MayRetry();
    return follower.CrashStatus();
  }
  if (!cancelled) {
    const auto result = VerifiedResult(*finished, run.workspace, job.job_dir(), stop);
    if (absl::IsCancelled(result.status())) return follower.StoppedStatus(job);
    return result;
  }
  *retry = true;
  return worker::WithReason(
      absl::AbortedError(absl::StrCat(BaseName(run.program),
                                      " was told to stop (SIGTERM) by somebody else than its service")),
      "WORKER_STOPPED");
}

// One try. `retry` says whether another one makes sense.
absl::StatusOr<v1::StageResult> RunOnce(OperationContext& context, WorkerJob job,
                                        const WorkerRun& run, const std::string& job_dir,
                                        bool* retry) {
  *retry = false;
  TY_ASSIGN_OR_RETURN(const worker::FolderLock lock, TakeJobFolder(context, job_dir, run.patience.folder));
  worker::JournalReader reader(job_dir);
  TY_ASSIGN_OR_RETURN(const WorkerPast past, ReadWorkerPast(reader, job, context, job_dir));
  if (past.finished.has_value() && past.finished->status().code() == 0) {
    LogInfo("worker had finished before the service was restarted", {{"job", context.name()}});
    return VerifiedResult(*past.finished, run.workspace, job_dir, context.stop());
  }
  // On the disk before there is a worker: whatever is killed when, no worker has an epoch that is not.
  const int64_t epoch = std::max(past.newest_epoch, context.epoch()) + 1;
  TY_RETURN_IF_ERROR(context.SetJob(job_dir, epoch));
  TY_RETURN_IF_ERROR(context.CheckStop());
  Complete(job, context, run, job_dir, epoch, past.checkpoint);
  WorkerFollower follower(context, run, job_dir, reader, epoch, past);
  TY_RETURN_IF_ERROR(follower.Start(job, lock));
  TY_RETURN_IF_ERROR(follower.Follow());
  return Conclude(follower, run, job, context.stop(), retry);
}

}  // namespace

absl::StatusOr<v1::StageResult> RunWorkerJob(OperationContext& context, WorkerJob job,
                                             const WorkerRun& run) {
  std::string job_dir = run.job_dir;
  if (job_dir.empty()) {
    TY_ASSIGN_OR_RETURN(job_dir, context.ScratchDir());
  }
  TY_RETURN_IF_ERROR(MakeFolders(job_dir));
  for (int attempt = 1;; ++attempt) {
    bool retry;
    absl::StatusOr<v1::StageResult> result = RunOnce(context, job, run, job_dir, &retry);
    if (result.ok() || !retry || attempt >= run.max_attempts) return result;
    LogWarning("worker is started again", {{"job", context.name()},
                                           {"error", std::string(result.status().message())}});
    context.NextAttempt();
  }
}

}  // namespace trainyard::service
