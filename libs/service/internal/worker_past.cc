#include "libs/service/internal/worker_past.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/worker/process.h"
#include "libs/worker/processes.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using worker::RunningWorker;
using worker::WorkerJob;
using worker::v1::WorkerEvent;

constexpr absl::Duration kLookInterval = absl::Milliseconds(50);
constexpr int64_t kMostJobBytes = int64_t{64} << 20;

// Without what differs from try to try.
WorkerJob Essence(WorkerJob job) {
  job.clear_fencing_epoch();
  job.clear_threads();
  job.clear_key_env();
  job.clear_job_dir();
  job.clear_write_root();
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

// Who holds a folder, and for how long it has done nothing.
class Holder {
 public:
  Holder(const OperationContext& context, const std::string& job_dir, double patience)
      : context_(context), job_dir_(job_dir), patience_(patience) {}

  pid_t pid() const { return worker_ ? worker_->pid : 0; }

  /// FOLDER_IN_USE when it is another's and was waited for long enough. Kills a predecessor that does
  /// nothing.
  absl::Status Look(double seconds) {
    const auto activity = worker_ ? worker::ActivityOf(worker_->pid) : std::nullopt;
    if (!activity.has_value()) {
      Find();
    } else if (activity->ticks != ticks_ || activity->waits_for_disk) {
      ticks_ = activity->ticks;
      if (IsPredecessor()) idle_seconds_ = 0;
    }
    idle_seconds_ += seconds;
    if (idle_seconds_ <= patience_) return absl::OkStatus();
    if (!IsPredecessor()) return InUse();
    LogWarning("worker of an earlier process stands still and is killed",
               {{"job", context_.name()}, {"pid", static_cast<int64_t>(worker_->pid)}});
    worker::KillWorker(*worker_, job_dir_);
    idle_seconds_ = 0;
    return absl::OkStatus();
  }

 private:
  void Find() {
    worker_.reset();
    for (const RunningWorker& running : worker::FindWorkers(job_dir_)) worker_ = running;
    ticks_ = -1;
  }
  // Its service is dead: the state folder, where its epoch is written down, has one process, and that is
  // this one.
  bool IsPredecessor() const {
    return worker_ && context_.job_dir() == job_dir_ && worker_->epoch >= context_.first_epoch() &&
           worker_->epoch <= context_.epoch();
  }
  absl::Status InUse() const {
    const std::string who = worker_ ? absl::StrCat(" (process ", worker_->pid, ")") : "";
    return worker::WithReason(
        absl::AbortedError(absl::StrCat("another worker", who, " holds '", job_dir_,
                                        "'; one results folder has one writer. Wait for its end, or "
                                        "choose another folder")),
        "FOLDER_IN_USE", {{"folder", job_dir_}});
  }

  const OperationContext& context_;
  const std::string& job_dir_;
  const double patience_;
  std::optional<RunningWorker> worker_;
  int64_t ticks_ = -1;
  double idle_seconds_ = 0;
};

}  // namespace

absl::StatusOr<worker::FolderLock> TakeJobFolder(const OperationContext& context,
                                                 const std::string& job_dir, double patience) {
  using Clock = std::chrono::steady_clock;
  Holder holder(context, job_dir, patience);
  Clock::time_point looked = Clock::now();
  while (true) {
    absl::StatusOr<worker::FolderLock> lock = worker::FolderLock::Take(job_dir);
    if (!absl::IsAborted(lock.status())) return lock;
    TY_RETURN_IF_ERROR(context.CheckStop());
    const Clock::time_point now = Clock::now();
    // Time in which this process itself did not run does not count.
    TY_RETURN_IF_ERROR(
        holder.Look(std::min(std::chrono::duration<double>(now - looked).count(), 1.0)));
    looked = now;
    worker::AwaitProcessEnd(holder.pid(), kLookInterval);
  }
}

absl::StatusOr<WorkerPast> ReadWorkerPast(worker::JournalReader& reader, const WorkerJob& job,
                                          const OperationContext& context,
                                          const std::string& job_dir) {
  WorkerPast past;
  const bool seen_before = context.epoch() > 0 && context.job_dir() == job_dir;
  const bool same_job = seen_before && IsSameJob(job, context, job_dir);
  // Once: a journal may have millions of events.
  const int64_t first_epoch = context.first_epoch(), last_epoch = context.epoch();
  TY_RETURN_IF_ERROR(reader.ForEach([&](const WorkerEvent& event) {
    const int64_t epoch = event.fencing_epoch();
    past.newest_epoch = std::max(past.newest_epoch, epoch);
    past.last_sequence = event.sequence();
    const bool ours = seen_before && epoch >= first_epoch && epoch <= last_epoch;
    if (ours && event.has_checkpoint() && FileExists(event.checkpoint().path())) {
      past.checkpoint = event.checkpoint().path();
    }
    if (ours && event.has_finished() && epoch == last_epoch && same_job) {
      past.finished = event.finished();
    }
    return context.CheckStop();
  }));
  if (seen_before && past.newest_epoch > last_epoch) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", job_dir, "' was used by another operation since this one's last worker (epoch ",
        past.newest_epoch, " after ", last_epoch, "); start again, or choose another folder"));
  }
  return past;
}

}  // namespace trainyard::service
