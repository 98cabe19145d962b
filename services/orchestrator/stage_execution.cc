#include "services/orchestrator/stage_execution.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/key.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/gates.h"
#include "services/orchestrator/stage_input.h"
#include "services/orchestrator/uuid.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Seconds(1);
constexpr absl::Duration kLargestBackoff = absl::Seconds(100);
// Of a stage, kept in the run.
constexpr int kMostNotes = 200;
// The service does not know an operation that it had taken: its store was lost, or it forgot.
constexpr absl::string_view kGone = "OPERATION_GONE";
// The service of an operation that works did not answer for long.
constexpr absl::string_view kAway = "SERVICE_AWAY";

absl::Duration Backoff(int failures) {
  absl::Duration backoff = kFirstBackoff;
  for (int i = 0; i < failures && backoff < kLargestBackoff; ++i) backoff *= 2;
  return std::min(backoff, kLargestBackoff);
}

// Codes that may go away by themselves: a service that went away or did not answer, a worker that was
// killed, an operation that a restart interrupted, a cancel that nobody of ours asked for.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsInternal(status) || absl::IsAborted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsCancelled(status) ||
         worker::ReasonOf(status) == kGone;
}

bool IsBelow(absl::string_view path, absl::string_view folder) {
  return path.size() > folder.size() + 1 && path.substr(0, folder.size()) == folder &&
         path[folder.size()] == '/';
}

}  // namespace

StageExecution::StageExecution(const Environment& environment, const Pipeline& pipeline,
                               const RunChoices& choices, RunRecord& record, const StageSpec& stage)
    : context_{.environment = environment,
               .pipeline = pipeline,
               .choices = choices,
               .stage = stage,
               .run_id = record.id()},
      cache_(context_),
      record_(record) {}

absl::Status StageExecution::Run() {
  working_ = Now().operation();
  const absl::Status outcome = Work();
  if (IsFinal(Now().state())) return absl::OkStatus();
  if (record_.shutdown().stop_requested()) return absl::OkStatus();
  // Nobody follows it any more.
  CancelWorking();
  return End(outcome);
}

void StageExecution::CancelWorking() {
  if (working_.empty()) return;
  context_.environment.canceller->Cancel(Now().address(), working_);
}

absl::Status StageExecution::End(const absl::Status& outcome) {
  v1::Run::Stage change = Change();
  if (record_.cancel_requested()) return record_.Append(EventType::kStageCancelled, change);
  *change.mutable_error() = worker::RpcStatusFrom(
      outcome.ok() ? absl::InternalError("the stage ended without an outcome") : outcome);
  LogWarning(
      "stage failed",
      {{"run", record_.id()}, {"stage", context_.stage.name}, {"error", change.error().message()}});
  return record_.Append(EventType::kStageFailed, change);
}

absl::Status StageExecution::Work() {
  for (;;) {
    TY_ASSIGN_OR_RETURN(const Prepared prepared, Prepare());
    // A stage that a service has already is not taken from the cache: it would work on unwatched.
    const bool fresh = Now().state() == v1::Run::PENDING;
    std::optional<CacheEntry> cached;
    if (fresh && !context_.choices.force) {
      TY_ASSIGN_OR_RETURN(cached, cache_.Find(prepared.cache_key, record_.halt()));
    }
    v1::StageResult result;
    std::string reason;
    if (cached.has_value()) {
      result = cached->result;
      reason = absl::StrCat("taken from runs/", cached->run, ", stage ", cached->stage,
                            ": same spec, inputs and version");
    } else {
      TY_ASSIGN_OR_RETURN(result, Compute(prepared));
    }
    TY_ASSIGN_OR_RETURN(const bool done, Conclude(prepared, result, reason));
    if (done) return absl::OkStatus();
  }
}

absl::Status StageExecution::CheckHasKey() const {
  if (!context_.choices.key_lost || !context_.stage.kind->uses_key) return absl::OkStatus();
  return worker::WithReason(
      absl::FailedPreconditionError(
          "the orchestrator was started again and does not keep keys that are given themselves; "
          "start the run again with its key (what is done comes from the cache), or give env:NAME "
          "or file:PATH"),
      service::kKeyLost);
}

absl::StatusOr<StageExecution::Prepared> StageExecution::Prepare() {
  Prepared prepared;
  prepared.variant = record_.VariantOf(context_.stage.name);
  TY_ASSIGN_OR_RETURN(prepared.input, BuildStageInput(context_.pipeline, context_.stage,
                                                      prepared.variant, record_.Snapshot()));
  const v1::Run::Stage now = Now();
  if (!now.operation().empty()) {
    // As it was begun; its inputs may have changed since.
    prepared.cache_key = now.cache_key();
  } else {
    TY_RETURN_IF_ERROR(CheckHasKey());
    // A request that may have been sent is followed also when the run is to stop.
    const bool begun = now.state() != v1::Run::PENDING;
    TY_ASSIGN_OR_RETURN(
        prepared.cache_key,
        cache_.KeyOf(prepared.input, begun ? record_.shutdown() : record_.halt()));
  }
  prepared.input.set_key(context_.Key());
  return prepared;
}

absl::StatusOr<v1::StageResult> StageExecution::Compute(const Prepared& prepared) {
  // For a service that went away with the operation: how long it was waited for in vain.
  absl::Duration waited;
  for (int rounds = 0;;) {
    const absl::Duration begun = SteadyNow();
    auto result = Try(prepared);
    if (result.ok() || record_.halt().stop_requested()) return result;
    if (heard_ > begun) waited = absl::ZeroDuration();
    waited += SteadyNow() - std::max(begun, heard_);
    if (MayWaitFor(result.status(), waited)) {
      const absl::Duration pause = Backoff(rounds++);
      waited += pause;
      if (!context_.environment.wait(pause, record_.halt())) return result;
      continue;
    }
    const int failures = Now().attempt() - prepared.variant;
    // A service that lost the key at a restart gets it again from us.
    const bool may_pass =
        MayPass(result.status()) || worker::ReasonOf(result.status()) == service::kKeyLost;
    if (!may_pass || failures > context_.stage.retries || Now().attempt() == 0) return result;
    if (const absl::Status key = CheckHasKey(); !key.ok()) return key;
    TY_RETURN_IF_ERROR(GiveUpTry(result.status()));
    waited = absl::ZeroDuration();
    if (!context_.environment.wait(Backoff(failures - 1), record_.halt())) return result;
  }
}

// Whether the operation is better followed on: its service is away, and no other could do the work.
bool StageExecution::MayWaitFor(const absl::Status& status, absl::Duration waited) const {
  return worker::ReasonOf(status) == kAway && context_.Addresses().size() == 1 &&
         waited < context_.environment.patience;
}

absl::Status StageExecution::GiveUpTry(const absl::Status& status) {
  const v1::Run::Stage now = Now();
  lost_address_ = worker::ReasonOf(status) == kAway ? now.address() : "";
  // It may work on, in the folder that the next try will use.
  CancelWorking();
  working_.clear();
  v1::Run::Stage change = Change();
  change.set_reason(absl::StrCat("attempt ", now.attempt(), " failed: ", status.message()));
  return record_.Append(EventType::kStageRetried, change);
}

absl::StatusOr<v1::StageResult> StageExecution::Try(const Prepared& prepared) {
  v1::Run::Stage now = Now();
  if (!now.operation().empty()) {
    // Sent before a restart of ours.
    const AddressPool::Lease lease = context_.environment.pool->Join(now.address());
    auto result = Follow(now.address(), now.operation());
    if (worker::ReasonOf(result.status()) != kGone) return result;
    v1::Run::Stage change = Change();
    change.set_reason(std::string(result.status().message()));
    TY_RETURN_IF_ERROR(record_.Append(EventType::kStageRetried, change));
    now = Now();
  }
  // A request that may have been sent is sent again as it was.
  const bool begun = now.state() != v1::Run::PENDING;
  const int attempt = begun ? now.attempt() : now.attempt() + 1;
  const int retry = attempt - 1 - prepared.variant;
  TY_RETURN_IF_ERROR(MakeRoom(prepared, begun ? 0 : retry));
  const StageCall call{.kind = context_.stage.kind,
                       .stage = prepared.input,
                       .options = OptionsForTry(context_.stage, retry),
                       .request_id = StageRequestId(record_.id(), context_.stage.name, attempt)};
  TY_ASSIGN_OR_RETURN(const AddressPool::Lease lease, Submit(prepared, call, attempt));
  return Follow(lease.address(), Now().operation());
}

absl::StatusOr<AddressPool::Lease> StageExecution::Submit(const Prepared& prepared,
                                                          const StageCall& call, int attempt) {
  if (context_.Addresses().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no address is known of service '", context_.stage.kind->service,
                     "'; name one under `services` of the pipeline"));
  }
  TY_RETURN_IF_ERROR(CheckHasKey());
  absl::Duration spent;
  std::set<std::string> refused;
  if (context_.Addresses().size() > 1 && !lost_address_.empty()) refused.insert(lost_address_);
  // The one that may have the request already is asked first.
  std::string first = Now().address();
  // A request that may have been taken is asked after until it is answered, also when the run is to
  // stop: only then its operation can be told.
  bool may_be_taken = !first.empty();
  for (int rounds = 0;;) {
    const absl::Duration begun = SteadyNow();
    auto lease = first.empty() ? context_.environment.pool->Acquire(context_.Addresses(), refused,
                                                                    record_.halt())
                               : context_.environment.pool->Join(std::exchange(first, ""));
    if (!lease.ok()) return lease.status();
    const auto operation = StartAt(prepared, call, attempt, lease->address());
    if (operation.ok()) return lease;
    // One that did not answer in time may have taken the request: with the same request_id it may be
    // asked again, and nobody else.
    const bool unanswered = absl::IsDeadlineExceeded(operation.status());
    if (!unanswered && !absl::IsUnavailable(operation.status())) return operation.status();
    if (unanswered) {
      first = lease->address();
      may_be_taken = true;
    }
    refused.insert(lease->address());
    const auto left = [&](const std::string& address) { return !refused.contains(address); };
    if (!unanswered &&
        std::any_of(context_.Addresses().begin(), context_.Addresses().end(), left)) {
      continue;
    }
    refused.clear();
    record_.SetMessage(context_.stage.name,
                       absl::StrCat("waits for a service: ", operation.status().message()));
    const absl::Duration asked = worker::RetryOf(operation.status());
    const absl::Duration pause = asked > absl::ZeroDuration() ? asked : Backoff(rounds++);
    spent += SteadyNow() - begun + pause;
    if (spent > context_.environment.patience) return operation.status();
    if (!context_.environment.wait(pause, may_be_taken ? record_.shutdown() : record_.halt())) {
      return absl::CancelledError("stopped while the service was away");
    }
  }
}

absl::StatusOr<std::string> StageExecution::StartAt(const Prepared& prepared, const StageCall& call,
                                                    int attempt, const std::string& address) {
  const v1::Run::Stage now = Now();
  v1::Run::Stage change = Change();
  if (now.state() == v1::Run::PENDING || now.address() != address || now.attempt() != attempt) {
    // Stored first: after a crash the same address is asked with the same request_id.
    change.set_attempt(attempt);
    change.set_address(address);
    change.set_cache_key(prepared.cache_key);
    TY_RETURN_IF_ERROR(record_.Append(EventType::kStageStarted, change));
  }
  TY_ASSIGN_OR_RETURN(const Operation operation, context_.environment.client->Start(address, call));
  LogInfo("stage submitted", {{"run", record_.id()},
                              {"stage", context_.stage.name},
                              {"operation", operation.name()},
                              {"address", address}});
  working_ = operation.name();
  change = Change();
  change.set_operation(operation.name());
  TY_RETURN_IF_ERROR(record_.Append(EventType::kStageSubmitted, change));
  return operation.name();
}

absl::StatusOr<v1::StageResult> StageExecution::Follow(const std::string& address,
                                                       const std::string& operation) {
  const auto cancel = [&] {
    if (record_.cancel_requested()) context_.environment.canceller->Cancel(address, operation);
  };
  // Runs at once when a cancel came before.
  const std::stop_callback on_halt(record_.halt(), cancel);
  const StageClient::Listener listener{
      .update =
          [&](const v1::OperationMetadata& metadata) {
            // A service that was away when the cancel was sent hears it now.
            if (!metadata.cancel_requested()) cancel();
            heard_ = SteadyNow();
            record_.SetProgress(context_.stage.name, metadata);
          },
      .away =
          [&](const absl::Status& status) {
            record_.SetMessage(context_.stage.name,
                               absl::StrCat("waits for ", context_.stage.kind->service, " at '",
                                            address, "': ", status.message()));
          }};
  const auto followed =
      context_.environment.client->Follow(address, operation, listener, record_.shutdown());
  if (absl::IsNotFound(followed.status())) {
    working_.clear();
    return worker::WithReason(
        absl::AbortedError(absl::StrCat(context_.stage.kind->service, " at '", address,
                                        "' does not know '", operation, "' any more")),
        kGone);
  }
  if (absl::IsUnavailable(followed.status())) return worker::WithReason(followed.status(), kAway);
  if (!followed.ok()) return followed.status();
  const Operation& ended = *followed;
  working_.clear();
  if (ended.has_error()) return worker::StatusFromRpc(ended.error());
  v1::StageResult result;
  if (!ended.done() || !ended.response().UnpackTo(&result)) {
    return absl::InternalError(absl::StrCat("operation '", operation, "' ended without a result"));
  }
  // A cancel does not take back what was done.
  TY_RETURN_IF_ERROR(context_.VerifyOutputs(result, record_.shutdown()));
  return result;
}

absl::Status StageExecution::MakeRoom(const Prepared& prepared, int retry) {
  TY_ASSIGN_OR_RETURN(const std::string own_folder,
                      context_.Resolve(StageFolder(context_.pipeline, record_.id(), context_.stage,
                                                   prepared.variant)));
  const bool resumes =
      context_.stage.kind->options->GetDescriptor()->FindFieldByName("resume") != nullptr;
  for (const v1::Artifact& output : prepared.input.outputs()) {
    TY_ASSIGN_OR_RETURN(const std::string path, context_.Resolve(output.uri()));
    // What a failed try of ours left behind is in the way, unless the stage goes on from it. What lies
    // elsewhere in the run's folder may be another stage's.
    if (retry > 0 && !resumes && (path == own_folder || IsBelow(path, own_folder))) {
      TY_RETURN_IF_ERROR(RemoveTree(path));
    }
    TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> StageExecution::Conclude(const Prepared& prepared,
                                              const v1::StageResult& result,
                                              const std::string& cached_reason) {
  const v1::Run run = record_.Snapshot();
  const auto metrics_of = [&run](const std::string& name) -> const MetricList* {
    const v1::Run::Stage* from = FindStage(run, name);
    return from == nullptr ? nullptr : &from->metrics();
  };
  const absl::Status gates = CheckGates(context_.stage.gates, result.metrics(), metrics_of);
  v1::Run::Stage change = Change();
  change.set_reason(cached_reason);
  change.set_cache_key(prepared.cache_key);
  *change.mutable_outputs() = result.outputs();
  *change.mutable_metrics() = result.metrics();
  const int notes = std::min(result.notes_size(), kMostNotes);
  for (int i = 0; i < notes; ++i) change.add_notes(result.notes(i));
  *change.mutable_broken_gates() =
      FindBrokenGates(context_.stage.gates, result.metrics(), metrics_of);
  const CacheEntry entry{.run = record_.id(), .stage = context_.stage.name, .result = result};
  const bool store =
      cached_reason.empty() && !prepared.cache_key.empty() && HoldsStill(prepared, change);
  const CacheEntry* stored = store ? &entry : nullptr;

  if (gates.ok() || context_.stage.gates.on_fail == Gates::OnFail::kContinue) {
    if (!gates.ok()) {
      change.set_reason(absl::StrCat(cached_reason, cached_reason.empty() ? "" : "; ",
                                     "gate did not hold: ", gates.message()));
    }
    const EventType type =
        cached_reason.empty() ? EventType::kStageSucceeded : EventType::kStageCached;
    TY_RETURN_IF_ERROR(record_.Append(type, change, prepared.cache_key, stored));
    return true;
  }
  if (context_.stage.gates.on_fail == Gates::OnFail::kRetry && prepared.variant == 0) {
    change = Change();
    change.set_reason(absl::StrCat("done again, since a gate did not hold: ", gates.message()));
    TY_RETURN_IF_ERROR(record_.Append(EventType::kStageVaried, change, prepared.cache_key, stored));
    return false;
  }
  // The work itself is good: with another gate it need not be done again.
  *change.mutable_error() = worker::RpcStatusFrom(worker::WithReason(
      Annotate(gates, "gate did not hold"), "GATE_FAILED", {{"stage", context_.stage.name}}));
  TY_RETURN_IF_ERROR(record_.Append(EventType::kStageFailed, change, prepared.cache_key, stored));
  return true;
}

// Whether what the stage reads is still what its key says, with a note when it is not: nobody has a digest
// of what it read then.
bool StageExecution::HoldsStill(const Prepared& prepared, v1::Run::Stage& change) {
  const auto key = cache_.KeyOf(prepared.input, record_.shutdown());
  if (key.ok() && *key == prepared.cache_key) return true;
  // Without a key there is nothing to compare: the service that would tell its hardware is away.
  const bool is_known = !key.ok() || !key->empty();
  if (is_known && !absl::IsCancelled(key.status())) {
    change.add_notes(
        "what this stage reads changed while it waited or worked (what it writes into a folder that it reads "
        "counts): its result may be of the old content, the new, or both, and no other run takes it from the "
        "cache");
  }
  return false;
}

v1::Run::Stage StageExecution::Change() const {
  v1::Run::Stage change;
  change.set_name(context_.stage.name);
  return change;
}

v1::Run::Stage StageExecution::Now() const {
  const v1::Run run = record_.Snapshot();
  return *FindStage(run, context_.stage.name);
}

}  // namespace trainyard::orchestrator
