#include "services/orchestrator/run_execution.h"

#include <exception>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "libs/base/log.h"
#include "services/orchestrator/stage_execution.h"

namespace trainyard::orchestrator {
namespace {

constexpr int kMaxStagesAtOnce = 8;

bool AnyFailed(const v1::Run& run) {
  return absl::c_any_of(run.stages(), [](const v1::Run::Stage& stage) {
    return stage.state() == v1::Run::FAILED;
  });
}

google::rpc::Status FirstError(const v1::Run& run) {
  for (const v1::Run::Stage& stage : run.stages()) {
    if (stage.state() != v1::Run::FAILED) continue;
    google::rpc::Status error = stage.error();
    error.set_message(absl::StrCat("stage '", stage.name(), "': ", error.message()));
    return error;
  }
  return {};
}

void LogIfFailed(const absl::Status& status, absl::string_view what, const std::string& run) {
  if (!status.ok())
    LogError(what, {{"run", run},
                    {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
}

}  // namespace

RunExecution::RunExecution(const Environment& environment, Pipeline pipeline, RunChoices choices,
                           std::shared_ptr<RunRecord> record)
    : environment_(environment),
      pipeline_(std::move(pipeline)),
      choices_(std::move(choices)),
      record_(std::move(record)) {}

void RunExecution::Execute() {
  {
    Lock lock(mutex_);
    for (;;) {
      const bool launched = LaunchReady(lock);
      if (working_ > 0) {
        changed_.wait(lock, [this] { return !ended_.empty(); });
      } else if (!launched) {
        break;
      }
      Join();
    }
  }
  if (record_->shutdown().stop_requested()) return;
  CloseRest();
  Finish();
}

// Whether a stage was launched, or done.
bool RunExecution::LaunchReady(Lock& lock) {
  if (record_->shutdown().stop_requested()) return false;
  const v1::Run run = record_->Snapshot();
  const bool closing = AnyFailed(run) || record_->cancel_requested();
  bool any = false;
  for (const StageSpec& stage : pipeline_.stages) {
    const v1::Run::Stage* now = FindStage(run, stage.name);
    if (launched_.contains(stage.name) || now == nullptr || IsFinal(now->state())) continue;
    // What a service may be working on is followed to its end in any case.
    const bool begun = now->state() != v1::Run::PENDING;
    if (!begun && (closing || !Ready(stage, run))) continue;
    if (!Launch(stage, lock)) continue;
    any = true;
    // Done by this thread: what is ready has to be asked anew.
    if (working_ == 0) break;
  }
  return any;
}

bool RunExecution::Ready(const StageSpec& stage, const v1::Run& run) const {
  return absl::c_all_of(stage.needs, [&](int need) {
    const v1::Run::Stage* needed = FindStage(run, pipeline_.stages[need].name);
    return needed != nullptr && IsGood(needed->state());
  });
}

// False when the stage must wait for one that works.
bool RunExecution::Launch(const StageSpec& stage, Lock& lock) {
  if (working_ >= kMaxStagesAtOnce) return false;
  try {
    threads_[stage.name] = std::jthread([this, &stage] { Work(stage); });
    launched_.insert(stage.name);
    ++working_;
    return true;
  } catch (const std::system_error& error) {
    threads_.erase(stage.name);
    LogWarning("no thread for a stage; it waits for one",
               {{"run", record_->id()}, {"stage", stage.name}, {"error", error.what()}});
  }
  if (working_ > 0) return false;
  // Nothing works whose end would free a thread: this one does it.
  launched_.insert(stage.name);
  ++working_;
  lock.unlock();
  Work(stage);
  lock.lock();
  return true;
}

void RunExecution::Work(const StageSpec& stage) {
  absl::Status status;
  try {
    status = StageExecution(environment_, pipeline_, choices_, *record_, stage).Run();
  } catch (const std::exception& error) {
    status = absl::InternalError(absl::StrCat("an exception: ", error.what()));
  }
  LogIfFailed(status, "stage left without an end", record_->id());
  const std::lock_guard lock(mutex_);
  --working_;
  ended_.push_back(stage.name);
  changed_.notify_all();
}

// With the mutex held, which a thread in `ended_` needs no more.
void RunExecution::Join() {
  for (const std::string& stage : ended_) threads_.erase(stage);
  ended_.clear();
}

void RunExecution::CloseRest() {
  const v1::Run run = record_->Snapshot();
  const bool cancelled = record_->cancel_requested();
  for (const v1::Run::Stage& stage : run.stages()) {
    if (IsFinal(stage.state())) continue;
    v1::Run::Stage change;
    change.set_name(stage.name());
    EventType type = EventType::kStageSkipped;
    if (cancelled) {
      type = EventType::kStageCancelled;
    } else if (stage.state() == v1::Run::PENDING) {
      change.set_reason("not run: a stage before it failed");
    } else {
      // Its thread could not write the end; why is in the log.
      type = EventType::kStageFailed;
      change.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kInternal));
      change.mutable_error()->set_message("the end of the stage could not be stored");
    }
    LogIfFailed(record_->Append(type, change), "stage cannot be closed", record_->id());
  }
}

void RunExecution::Finish() {
  const v1::Run run = record_->Snapshot();
  if (IsFinal(run.state())) return;
  const bool all_good = absl::c_all_of(
      run.stages(), [](const v1::Run::Stage& stage) { return IsGood(stage.state()); });
  const google::rpc::Status error = FirstError(run);
  v1::Run::State state = v1::Run::FAILED;
  if (all_good) {
    state = v1::Run::SUCCEEDED;
  } else if (!AnyFailed(run) && record_->cancel_requested()) {
    state = v1::Run::CANCELLED;
  }
  // The report shows the run as it will be; who waits for the end finds the report there.
  v1::Run ended = run;
  ended.set_state(state);
  if (state == v1::Run::FAILED) *ended.mutable_error() = error;
  if (environment_.write_report) {
    LogIfFailed(environment_.write_report(pipeline_, ended), "report cannot be written",
                record_->id());
  }
  // Said only once it is stored: a restart would take it back.
  const absl::Status stored = record_->End(state, state == v1::Run::FAILED ? &error : nullptr);
  LogIfFailed(stored, "run cannot be ended", record_->id());
  if (!stored.ok()) return;
  LogInfo("run ended", {{"run", record_->id()}, {"state", v1::Run::State_Name(state)}});
}

}  // namespace trainyard::orchestrator
