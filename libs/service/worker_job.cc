#include "libs/service/worker_job.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/worker/journal.h"
#include "libs/worker/process.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using worker::v1::Finished;
using worker::v1::WorkerEvent;
using worker::v1::WorkerJob;

constexpr char kKeyVariable[] = "TRAINYARD_MODEL_KEY";
// How long an event may lie in the journal unread; the end of the worker is seen at once.
constexpr absl::Duration kTailInterval = absl::Milliseconds(50);
// A worker whose service died ends by itself within this (libs/worker/runtime.cc: 10 s).
constexpr absl::Duration kPredecessorPatience = absl::Seconds(12);
constexpr absl::Duration kDisposableGrace = absl::Milliseconds(1500);
constexpr size_t kLogTailBytes = 1024;
constexpr int64_t kMostJobBytes = int64_t{64} << 20;
constexpr int64_t kMostLogBytes = int64_t{1} << 30;
constexpr int kExitRetry = 75;

// What the journal of the folder says about the time before this worker.
struct Past {
  int64_t newest_epoch = 0;
  int64_t last_pid = 0;
  std::optional<Finished> finished;  // of this operation's newest worker
  std::string checkpoint;            // newest of this operation that is still there
};

// Without what differs from try to try.
WorkerJob Essence(WorkerJob job) {
  job.clear_fencing_epoch();
  job.clear_threads();
  job.clear_key_env();
  job.clear_job_dir();
  if (job.has_train()) job.mutable_train()->clear_resume_model();
  return job;
}

// Whether the newest worker in the folder had this very job: an operation may run several.
bool IsSameJob(const WorkerJob& job, const OperationContext& context, const std::string& job_dir) {
  WorkerJob last, now = job;
  const auto bytes = ReadFile(JoinPath(job_dir, "job.pb"), kMostJobBytes);
  if (!bytes.ok() || !last.ParseFromString(*bytes)) return false;
  now.set_operation(context.name());
  return google::protobuf::util::MessageDifferencer::Equals(Essence(now), Essence(last));
}

absl::StatusOr<Past> ReadPast(worker::JournalReader& reader, const WorkerJob& job,
                              const OperationContext& context, const std::string& job_dir) {
  Past past;
  const bool seen_before = context.epoch() > 0 && context.job_dir() == job_dir;
  const bool same_job = seen_before && IsSameJob(job, context, job_dir);
  TY_ASSIGN_OR_RETURN(const std::vector<WorkerEvent> events, reader.Poll());
  for (const WorkerEvent& event : events) {
    const int64_t epoch = event.fencing_epoch();
    past.newest_epoch = std::max(past.newest_epoch, epoch);
    if (event.has_started()) past.last_pid = event.started().pid();
    const bool ours = seen_before && epoch >= context.first_epoch() && epoch <= context.epoch();
    if (!ours) continue;
    if (event.has_checkpoint() && FileExists(event.checkpoint().path())) {
      past.checkpoint = event.checkpoint().path();
    }
    if (event.has_finished() && epoch == context.epoch() && same_job) {
      past.finished = event.finished();
    }
  }
  if (seen_before && past.newest_epoch > context.epoch()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", job_dir, "' was used by another operation since this one's last worker (epoch ",
        past.newest_epoch, " after ", context.epoch(), "); start again, or choose another folder"));
  }
  return past;
}

bool IsLocked(const std::string& job_dir) {
  const int fd = open(JoinPath(job_dir, "lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return locked;
}

// The worker of a service that was killed may still be writing its checkpoint: waits for its end.
absl::Status WaitForPredecessor(const OperationContext& context, const std::string& job_dir,
                                int64_t pid) {
  const absl::Time deadline = absl::Now() + kPredecessorPatience;
  while (IsLocked(job_dir)) {
    TY_RETURN_IF_ERROR(context.CheckStop());
    if (absl::Now() > deadline) {
      return WithReason(absl::AbortedError(absl::StrCat("another worker (process ", pid, ") holds '",
                                                        job_dir,
                                                        "'; one results folder has one writer")),
                        "FOLDER_IN_USE", {{"folder", job_dir}});
    }
    worker::AwaitProcessEnd(static_cast<pid_t>(pid), kTailInterval);
  }
  return absl::OkStatus();
}

std::string LogTail(const std::string& path) {
  const auto text = ReadFile(path, kMostLogBytes);
  if (!text.ok()) return "";
  absl::string_view tail = *text;
  if (tail.size() > kLogTailBytes) {
    tail.remove_prefix(tail.size() - kLogTailBytes);
    const size_t line = tail.find('\n');
    if (line != absl::string_view::npos) tail.remove_prefix(line + 1);
  }
  return Redact(absl::StripAsciiWhitespace(tail));
}

// One worker from its start to its end.
class WorkerFollower {
 public:
  WorkerFollower(OperationContext& context, const WorkerRun& run, std::string job_dir,
                 worker::JournalReader& reader, int64_t epoch)
      : context_(context), run_(run), job_dir_(std::move(job_dir)), reader_(reader), epoch_(epoch) {}

  absl::Status Start(const WorkerJob& job) {
    log_path_ = JoinPath(job_dir_, "worker.log");
    worker::Process::Options options{.program = run_.program,
                                     .job_dir = job_dir_,
                                     .environment = run_.environment,
                                     .log_path = log_path_};
    const std::string threads = absl::StrCat(job.threads());
    options.environment.emplace("OMP_NUM_THREADS", threads);
    options.environment.emplace("OPENBLAS_NUM_THREADS", threads);
    if (!context_.key().empty()) options.environment[kKeyVariable] = context_.key();
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
    absl::Time kill_at = absl::InfiniteFuture();
    bool stopping = false, killed = false;
    while (!process_->Wait(kTailInterval).has_value()) {
      TY_RETURN_IF_ERROR(ReadJournal());
      if (!stopping && context_.stop().stop_requested()) {
        stopping = true;
        const absl::Duration grace = context_.stop_grace();
        kill_at = absl::Now() + (run_.is_disposable ? std::min(grace, kDisposableGrace) : grace);
        process_->Terminate();
      }
      if (stopping && !killed && absl::Now() >= kill_at) {
        killed = true;
        LogWarning("worker did not stop in time and is killed", {{"job", context_.name()}});
        process_->Kill();
      }
    }
    return ReadJournal();
  }

  const std::optional<Finished>& finished() const { return finished_; }
  int wait_status() { return *process_->Poll(); }

  /// What to say when there is no Finished.
  absl::Status CrashStatus() {
    const std::string tail = LogTail(log_path_);
    const std::string message =
        absl::StrCat(BaseName(run_.program), WIFSIGNALED(wait_status()) ? " was " : " ended with ",
                     worker::DescribeExit(wait_status()), " before it could finish",
                     tail.empty() ? "" : absl::StrCat("; the end of its log: ", tail));
    const bool retry = WIFEXITED(wait_status()) && WEXITSTATUS(wait_status()) == kExitRetry;
    return WithReason(retry ? absl::AbortedError(message) : absl::InternalError(message),
                      "WORKER_CRASHED",
                      {{"worker", BaseName(run_.program)},
                       {"exit", worker::DescribeExit(wait_status())}});
  }

  /// Whether the same job may do better (conventions: 75, 130, 137, 138, and SIGKILL).
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
      if (event.fencing_epoch() == epoch_) Take(event);
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
        context_.SetResumeUri(UriOf(event.checkpoint().path()));
        break;
      case WorkerEvent::kWarning:
        context_.Warn(StatusFromRpc(event.warning()));
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
  std::string log_path_;
  std::unique_ptr<worker::Process> process_;
  std::optional<Finished> finished_;
};

absl::StatusOr<v1::StageResult> ResultFrom(const Finished& finished, const WorkerRun& run) {
  TY_RETURN_IF_ERROR(StatusFromRpc(finished.status()));
  v1::StageResult result;
  for (const v1::Artifact& output : finished.outputs()) {
    v1::Artifact artifact = output;
    if (run.workspace != nullptr) {
      if (artifact.sha256().empty()) {
        TY_ASSIGN_OR_RETURN(artifact, run.workspace->MakeArtifact(output.name(), output.uri(),
                                                                  output.kind()));
        artifact.set_media_version(output.media_version());
      }
      artifact.set_uri(run.workspace->UriOf(output.uri()));
    }
    *result.add_outputs() = std::move(artifact);
  }
  *result.mutable_metrics() = finished.metrics();
  for (const std::string& note : finished.notes()) result.add_notes(Redact(note));
  return result;
}

void Complete(WorkerJob& job, const OperationContext& context, const std::string& job_dir,
              int64_t epoch, const std::string& checkpoint) {
  job.set_operation(context.name());
  job.set_fencing_epoch(epoch);
  job.set_job_dir(job_dir);
  job.set_threads(context.threads());
  job.set_key_env(context.key().empty() ? "" : kKeyVariable);
  if (job.has_train() && !checkpoint.empty()) job.mutable_train()->set_resume_model(checkpoint);
}

// One try. `retry` says whether another one makes sense.
absl::StatusOr<v1::StageResult> RunOnce(OperationContext& context, WorkerJob job,
                                        const WorkerRun& run, const std::string& job_dir,
                                        bool* retry) {
  *retry = false;
  worker::JournalReader reader(job_dir);
  TY_ASSIGN_OR_RETURN(Past past, ReadPast(reader, job, context, job_dir));
  if (past.finished.has_value() && past.finished->status().code() == 0) {
    LogInfo("worker had finished before the service was restarted", {{"job", context.name()}});
    return ResultFrom(*past.finished, run);
  }
  TY_RETURN_IF_ERROR(WaitForPredecessor(context, job_dir, past.last_pid));
  // What it wrote in the meantime: perhaps the end, surely a newer checkpoint.
  reader = worker::JournalReader(job_dir);
  TY_ASSIGN_OR_RETURN(past, ReadPast(reader, job, context, job_dir));
  if (past.finished.has_value() && past.finished->status().code() == 0) {
    return ResultFrom(*past.finished, run);
  }
  const int64_t epoch = std::max(past.newest_epoch, context.epoch()) + 1;
  TY_RETURN_IF_ERROR(context.SetJob(job_dir, epoch));
  TY_RETURN_IF_ERROR(context.CheckStop());
  Complete(job, context, job_dir, epoch, past.checkpoint);
  WorkerFollower follower(context, run, job_dir, reader, epoch);
  TY_RETURN_IF_ERROR(follower.Start(job));
  TY_RETURN_IF_ERROR(follower.Follow());
  if (follower.finished().has_value()) return ResultFrom(*follower.finished(), run);
  if (context.stop().stop_requested()) {
    return absl::CancelledError(absl::StrCat(BaseName(run.program), " was stopped (",
                                             worker::DescribeExit(follower.wait_status()), ")"));
  }
  *retry = follower.MayRetry();
  return follower.CrashStatus();
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
