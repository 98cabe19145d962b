#include "services/orchestrator/stage_execution.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/sealing/model_file.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/cache_key.h"
#include "services/orchestrator/gates.h"
#include "services/orchestrator/stage_input.h"
#include "services/orchestrator/uuid.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::Duration kFirstBackoff = absl::Seconds(1);
constexpr absl::Duration kLargestBackoff = absl::Seconds(100);
// The service does not know an operation that it had taken: its store was lost, or it forgot.
constexpr absl::string_view kGone = "OPERATION_GONE";

absl::Duration Backoff(int failures) {
  absl::Duration backoff = kFirstBackoff;
  for (int i = 0; i < failures && backoff < kLargestBackoff; ++i) backoff *= 2;
  return std::min(backoff, kLargestBackoff);
}

// Codes that may go away by themselves: a service that went away, a worker that was killed, an
// operation that a restart interrupted.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsInternal(status) || absl::IsAborted(status) ||
         ReasonOf(status) == kGone;
}

bool IsBelow(absl::string_view path, absl::string_view folder) {
  return path.size() > folder.size() + 1 && path.substr(0, folder.size()) == folder &&
         path[folder.size()] == '/';
}

}  // namespace

StageExecution::StageExecution(const Environment& environment, const Pipeline& pipeline,
                               const RunChoices& choices, RunRecord& record,
                               const StageSpec& stage)
    : environment_(environment),
      pipeline_(pipeline),
      choices_(choices),
      record_(record),
      stage_(stage) {}

absl::Status StageExecution::Run() {
  const absl::Status outcome = Work();
  if (IsFinal(Now().state())) return absl::OkStatus();
  if (record_.shutdown().stop_requested()) return absl::OkStatus();
  return End(outcome);
}

absl::Status StageExecution::End(const absl::Status& outcome) {
  v1::Run::Stage change = Change();
  if (record_.cancel_requested()) return record_.Append(EventType::kStageCancelled, change);
  *change.mutable_error() = RpcStatusFrom(
      outcome.ok() ? absl::InternalError("the stage ended without an outcome") : outcome);
  LogWarning("stage failed", {{"run", record_.id()},
                              {"stage", stage_.name},
                              {"error", change.error().message()}});
  return record_.Append(EventType::kStageFailed, change);
}

absl::Status StageExecution::Work() {
  for (;;) {
    TY_ASSIGN_OR_RETURN(const Prepared prepared, Prepare());
    // A stage that a service has already is not taken from the cache: it would work on unwatched.
    const bool fresh = Now().state() == v1::Run::PENDING;
    std::optional<CacheEntry> cached;
    if (fresh && !choices_.force) cached = FromCache(prepared.cache_key);
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

absl::StatusOr<StageExecution::Prepared> StageExecution::Prepare() {
  Prepared prepared;
  prepared.variant = record_.VariantOf(stage_.name);
  TY_ASSIGN_OR_RETURN(
      prepared.input, BuildStageInput(pipeline_, stage_, prepared.variant, record_.Snapshot()));
  TY_ASSIGN_OR_RETURN(prepared.cache_key, FindKey(prepared.input));
  prepared.input.set_key(Key());
  return prepared;
}

absl::StatusOr<std::string> StageExecution::FindKey(const v1::StageInput& input) {
  TY_ASSIGN_OR_RETURN(const std::string results,
                      Resolve(RunFolder(pipeline_, record_.id())));
  bool changing = false;
  const PathRule digest_of = [&](absl::string_view written) -> absl::StatusOr<std::string> {
    TY_ASSIGN_OR_RETURN(const std::string path, Resolve(std::string(written)));
    auto digest = DigestOfPath(written, path, results);
    if (!absl::IsFailedPrecondition(digest.status())) return digest;
    changing = true;
    return std::string(written);
  };

  CacheIngredients ingredients{.kind = stage_.kind->name,
                               .implementation_version = stage_.kind->implementation_version,
                               .network = input.network(),
                               .options = DeterministicBytes(*stage_.options)};
  if (!input.spec_text().empty()) {
    TY_ASSIGN_OR_RETURN(ingredients.canonical_spec,
                        environment_.read_spec(SpecQuestionOf(stage_, input), digest_of));
  }
  for (const v1::Artifact& artifact : input.inputs()) {
    std::string digest = artifact.sha256();
    if (digest.empty()) {
      TY_ASSIGN_OR_RETURN(digest, digest_of(artifact.uri()));
    }
    ingredients.inputs.emplace_back(artifact.name(), digest);
  }
  for (const std::string& uri : stage_.reads) {
    TY_ASSIGN_OR_RETURN(const std::string digest, digest_of(uri));
    ingredients.reads.push_back(digest);
  }
  if (stage_.kind->hardware_bound) {
    const auto hardware = Hardware();
    // A service that is away is waited for later; only the cache is given up.
    if (!hardware.ok()) return "";
    ingredients.hardware = *hardware;
  }
  const auto key = ResolveKey(Key());
  ingredients.key_mark = KeyMark(environment_.store->salt(), key.ok() ? *key : Key());
  if (changing) {
    LogInfo("stage is not cached: it reads a folder that holds the results",
            {{"run", record_.id()}, {"stage", stage_.name}});
    return "";
  }
  return CacheKey(ingredients);
}

absl::StatusOr<std::string> StageExecution::Hardware() {
  absl::Status status = absl::UnavailableError("no address");
  for (const std::string& address : Addresses()) {
    const auto capabilities = environment_.client->Capabilities(address);
    if (capabilities.ok()) return absl::StrJoin(capabilities->devices(), "\n");
    status = capabilities.status();
  }
  return status;
}

std::optional<CacheEntry> StageExecution::FromCache(const std::string& cache_key) {
  if (cache_key.empty()) return std::nullopt;
  auto found = environment_.store->FindCached(cache_key);
  absl::Status status = found.status();
  if (found.ok()) {
    if (!found->has_value()) return std::nullopt;
    status = VerifyOutputs((*found)->result);
    if (status.ok()) return *std::move(found);
  }
  LogWarning("cached outputs are not usable; computing them again",
             {{"run", record_.id()}, {"stage", stage_.name}, {"error", status.ToString()}});
  const absl::Status forgotten = environment_.store->ForgetCached(cache_key);
  if (!forgotten.ok()) LogWarning("cache entry cannot be removed", {{"error", forgotten.ToString()}});
  return std::nullopt;
}

absl::StatusOr<v1::StageResult> StageExecution::Compute(const Prepared& prepared) {
  for (;;) {
    auto result = Try(prepared);
    if (result.ok() || record_.halt().stop_requested()) return result;
    const int failures = Now().attempt() - prepared.variant;
    if (!MayPass(result.status()) || failures > stage_.retries || Now().attempt() == 0) {
      return result;
    }
    v1::Run::Stage change = Change();
    change.set_reason(absl::StrCat("attempt ", Now().attempt(), " failed: ",
                                   result.status().message()));
    TY_RETURN_IF_ERROR(record_.Append(EventType::kStageRetried, change));
    if (!environment_.wait(Backoff(failures - 1), record_.halt())) return result;
  }
}

absl::StatusOr<v1::StageResult> StageExecution::Try(const Prepared& prepared) {
  v1::Run::Stage now = Now();
  if (!now.operation().empty()) {
    // Sent before a restart of ours.
    const AddressPool::Lease lease = environment_.pool->Join(now.address());
    auto result = Follow(now.address(), now.operation());
    if (ReasonOf(result.status()) != kGone) return result;
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
  const StageCall call{.kind = stage_.kind,
                       .stage = prepared.input,
                       .options = OptionsForTry(stage_, retry),
                       .request_id = StageRequestId(record_.id(), stage_.name, attempt)};
  TY_ASSIGN_OR_RETURN(const AddressPool::Lease lease, Submit(prepared, call, attempt));
  return Follow(lease.address(), Now().operation());
}

absl::StatusOr<AddressPool::Lease> StageExecution::Submit(const Prepared& prepared,
                                                          const StageCall& call, int attempt) {
  if (Addresses().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no address is known of service '", stage_.kind->service,
                     "'; name one under `services` of the pipeline"));
  }
  const absl::Time give_up = environment_.clock() + environment_.patience;
  std::set<std::string> refused;
  // The one that may have the request already is asked first.
  std::string first = Now().address();
  for (int rounds = 0;;) {
    auto lease = first.empty() ? environment_.pool->Acquire(Addresses(), refused, record_.halt())
                               : environment_.pool->Join(std::exchange(first, ""));
    if (!lease.ok()) return lease.status();
    const auto operation = StartAt(prepared, call, attempt, lease->address());
    if (operation.ok()) return lease;
    if (!absl::IsUnavailable(operation.status())) return operation.status();
    refused.insert(lease->address());
    if (std::any_of(Addresses().begin(), Addresses().end(),
                    [&](const std::string& address) { return !refused.contains(address); })) {
      continue;
    }
    refused.clear();
    const absl::Duration asked = RetryOf(operation.status());
    const absl::Duration pause = asked > absl::ZeroDuration() ? asked : Backoff(rounds++);
    if (environment_.clock() + pause > give_up) return operation.status();
    if (!environment_.wait(pause, record_.halt())) {
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
  TY_ASSIGN_OR_RETURN(const Operation operation, environment_.client->Start(address, call));
  LogInfo("stage submitted", {{"run", record_.id()},
                              {"stage", stage_.name},
                              {"operation", operation.name()},
                              {"address", address}});
  change = Change();
  change.set_operation(operation.name());
  TY_RETURN_IF_ERROR(record_.Append(EventType::kStageSubmitted, change));
  return operation.name();
}

absl::StatusOr<v1::StageResult> StageExecution::Follow(const std::string& address,
                                                       const std::string& operation) {
  const auto cancel = [&] {
    if (!record_.cancel_requested()) return;
    const absl::Status status = environment_.client->Cancel(address, operation);
    if (!status.ok()) {
      LogWarning("operation cannot be cancelled",
                 {{"operation", operation}, {"error", status.ToString()}});
    }
  };
  // Runs at once when a cancel came before.
  const std::stop_callback on_halt(record_.halt(), cancel);
  const auto update = [&](const v1::OperationMetadata& metadata) {
    // A service that was away when the cancel was sent hears it now.
    if (record_.cancel_requested() && !metadata.cancel_requested()) cancel();
    record_.SetProgress(stage_.name, metadata);
  };
  const auto followed =
      environment_.client->Follow(address, operation, update, record_.shutdown());
  if (absl::IsNotFound(followed.status())) {
    return WithReason(absl::AbortedError(absl::StrCat(stage_.kind->service, " at '", address,
                                                      "' does not know '", operation,
                                                      "' any more")),
                      kGone);
  }
  if (!followed.ok()) return followed.status();
  const Operation& ended = *followed;
  if (ended.has_error()) return StatusFromRpc(ended.error());
  v1::StageResult result;
  if (!ended.done() || !ended.response().UnpackTo(&result)) {
    return absl::InternalError(absl::StrCat("operation '", operation, "' ended without a result"));
  }
  TY_RETURN_IF_ERROR(VerifyOutputs(result));
  return result;
}

absl::Status StageExecution::MakeRoom(const Prepared& prepared, int retry) {
  TY_ASSIGN_OR_RETURN(const std::string run_folder, Resolve(RunFolder(pipeline_, record_.id())));
  const bool resumes = stage_.kind->options->GetDescriptor()->FindFieldByName("resume") != nullptr;
  for (const v1::Artifact& output : prepared.input.outputs()) {
    TY_ASSIGN_OR_RETURN(const std::string path, Resolve(output.uri()));
    // What a failed try of ours left behind is in the way, unless the stage goes on from it.
    if (retry > 0 && !resumes && IsBelow(path, run_folder)) TY_RETURN_IF_ERROR(RemoveTree(path));
    TY_RETURN_IF_ERROR(MakeFolders(DirName(path)));
  }
  return absl::OkStatus();
}

absl::Status StageExecution::VerifyOutputs(const v1::StageResult& result) const {
  for (const v1::Artifact& output : result.outputs()) {
    const std::string what = absl::StrCat("output '", output.name(), "' at '", output.uri(), "'");
    if (output.sha256().empty()) {
      return absl::DataLossError(absl::StrCat(what, " was reported without a digest"));
    }
    // The service's own name for the path: the pipeline's path_map is not for it.
    TY_ASSIGN_OR_RETURN(const std::string path, environment_.resolve(output.uri(), {}));
    const auto digest = PathDigest(path);
    if (!digest.ok()) return absl::DataLossError(absl::StrCat(what, ": ", digest.status().message()));
    if (*digest != output.sha256()) {
      return absl::DataLossError(absl::StrCat(what, " has sha256 ", *digest, "; recorded is ",
                                              output.sha256()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> StageExecution::Conclude(const Prepared& prepared,
                                              const v1::StageResult& result,
                                              const std::string& cached_reason) {
  const v1::Run run = record_.Snapshot();
  const absl::Status gates = CheckGates(
      stage_.gates, result.metrics(), [&run](const std::string& name) -> const MetricList* {
        const v1::Run::Stage* from = FindStage(run, name);
        return from == nullptr ? nullptr : &from->metrics();
      });
  v1::Run::Stage change = Change();
  change.set_reason(cached_reason);
  change.set_cache_key(prepared.cache_key);
  *change.mutable_outputs() = result.outputs();
  *change.mutable_metrics() = result.metrics();
  const CacheEntry entry{.run = record_.id(), .stage = stage_.name, .result = result};
  const bool store = cached_reason.empty() && !prepared.cache_key.empty();
  const CacheEntry* stored = store ? &entry : nullptr;

  if (gates.ok() || stage_.gates.on_fail == Gates::OnFail::kContinue) {
    if (!gates.ok()) {
      change.set_reason(absl::StrCat(cached_reason, cached_reason.empty() ? "" : "; ",
                                     "gate did not hold: ", gates.message()));
    }
    const EventType type =
        cached_reason.empty() ? EventType::kStageSucceeded : EventType::kStageCached;
    TY_RETURN_IF_ERROR(record_.Append(type, change, prepared.cache_key, stored));
    return true;
  }
  if (stage_.gates.on_fail == Gates::OnFail::kRetry && prepared.variant == 0) {
    change = Change();
    change.set_reason(absl::StrCat("done again, since a gate did not hold: ", gates.message()));
    TY_RETURN_IF_ERROR(record_.Append(EventType::kStageVaried, change, prepared.cache_key, stored));
    return false;
  }
  // The work itself is good: with another gate it need not be done again.
  *change.mutable_error() = RpcStatusFrom(Annotate(gates, "gate did not hold"));
  TY_RETURN_IF_ERROR(record_.Append(EventType::kStageFailed, change, prepared.cache_key, stored));
  return true;
}

v1::Run::Stage StageExecution::Change() const {
  v1::Run::Stage change;
  change.set_name(stage_.name);
  return change;
}

v1::Run::Stage StageExecution::Now() const {
  const v1::Run run = record_.Snapshot();
  return *FindStage(run, stage_.name);
}

absl::StatusOr<std::string> StageExecution::Resolve(const std::string& uri) const {
  return environment_.resolve(uri, pipeline_.path_map);
}

const std::vector<std::string>& StageExecution::Addresses() const {
  static const auto* const none = new std::vector<std::string>();
  const auto own = pipeline_.services.find(stage_.kind->service);
  if (own != pipeline_.services.end()) return own->second;
  const auto fallback = environment_.default_services.find(stage_.kind->service);
  return fallback == environment_.default_services.end() ? *none : fallback->second;
}

const std::string& StageExecution::Key() const {
  static const auto* const none = new std::string();
  if (!stage_.kind->uses_key) return *none;
  return choices_.key.empty() ? pipeline_.key : choices_.key;
}

}  // namespace trainyard::orchestrator
