#include "services/orchestrator/runs.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/page.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/cache_key.h"
#include "services/orchestrator/limits.h"
#include "services/orchestrator/run_execution.h"
#include "services/orchestrator/stage_check.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::string_view kNamePrefix = "runs/";
// 64 bits of chance hardly ever give a name that is taken; a source without chance must not loop.
constexpr int kIdTries = 8;
constexpr size_t kMaxRequestIdBytes = 36;

bool IsReference(absl::string_view key) {
  return absl::StartsWith(key, "env:") || absl::StartsWith(key, "file:");
}

v1::Run NewRun(const Pipeline& pipeline, const std::string& id) {
  v1::Run run;
  run.set_name(absl::StrCat(kNamePrefix, id));
  run.set_pipeline(pipeline.name);
  run.set_state(v1::Run::RUNNING);
  run.set_results_uri(RunFolder(pipeline, id));
  for (const StageSpec& stage : pipeline.stages) {
    v1::Run::Stage& added = *run.add_stages();
    added.set_name(stage.name);
    added.set_kind(stage.kind->name);
    added.set_state(v1::Run::PENDING);
  }
  return run;
}

// What is stored: no literal key, and all spec texts.
StoredRun ToStore(const v1::StartRunRequest& request, const Pipeline& pipeline,
                  const std::string& id) {
  v1::StartRunRequest stored = request;
  for (const auto& [path, text] : pipeline.spec_files) {
    (*stored.mutable_parameters())[absl::StrCat(kSpecParameterPrefix, path)] = text;
  }
  const bool literal = !request.key().empty() && !IsReference(request.key());
  if (literal) stored.clear_key();
  return {.id = id,
          .request_id = request.request_id(),
          .request = stored.SerializeAsString(),
          .had_literal_key = literal};
}

// Sizes of what is stored and copied, before anything is read.
absl::Status CheckSizes(const v1::StartRunRequest& request) {
  Problems problems;
  const auto check = [&problems](absl::string_view field, size_t bytes, size_t most) {
    if (bytes > most) problems.Add(field, "has %d bytes; expected at most %d", bytes, most);
  };
  check("request_id", request.request_id().size(), kMaxRequestIdBytes);
  check("pipeline", request.pipeline().size(), kMaxPipelineBytes);
  check("pipeline_name", request.pipeline_name().size(), kMaxNameBytes);
  check("key", request.key().size(), kMaxNameBytes);
  size_t parameter_bytes = 0;
  for (const auto& [name, value] : request.parameters()) {
    parameter_bytes += name.size() + value.size();
  }
  check("parameters", parameter_bytes, kMaxParameterBytes);
  return problems.ToStatus();
}

// What stands for a run in a list when its events tell nothing.
v1::Run Unreadable(const std::string& id, const absl::Status& why) {
  LogError("run cannot be read", {{"run", id}, {"error", std::string(why.message())}});
  v1::Run run;
  run.set_name(absl::StrCat(kNamePrefix, id));
  run.set_state(v1::Run::FAILED);
  *run.mutable_error() = worker::RpcStatusFrom(worker::WithReason(
      absl::DataLossError(absl::StrCat("the stored run cannot be read: ", why.message())),
      "RUN_UNREADABLE"));
  return run;
}

std::string DigestOf(v1::StartRunRequest request) {
  request.clear_request_id();
  request.clear_key();
  return Sha256Hex(DeterministicBytes(request));
}

}  // namespace

Runs::~Runs() { Stop(); }

void Runs::Stop() {
  std::map<std::string, std::shared_ptr<RunRecord>> active;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    active = active_;
  }
  for (const auto& [id, record] : active) record->Shutdown();
}

absl::StatusOr<Pipeline> Runs::Parse(const v1::StartRunRequest& request) const {
  const PipelineSource source{
      .text = request.pipeline(),
      .name = request.pipeline_name().empty() ? "pipeline.yaml" : request.pipeline_name(),
      .parameters = {request.parameters().begin(), request.parameters().end()},
      .read_spec = [this](const std::string& path) -> absl::StatusOr<std::string> {
        TY_ASSIGN_OR_RETURN(const std::string absolute, environment_.resolve(path, {}));
        return ReadFile(absolute, kMaxSpecBytes);
      }};
  return ParsePipeline(source);
}

absl::StatusOr<v1::Run> Runs::Start(const v1::StartRunRequest& request) {
  if (environment_.draining && environment_.draining()) {
    return absl::UnavailableError("the orchestrator drains; connect again");
  }
  TY_RETURN_IF_ERROR(CheckSizes(request));
  auto secret = IsReference(request.key()) ? nullptr : HoldSecret(request.key());
  const std::string digest = DigestOf(request);
  TY_ASSIGN_OR_RETURN(const std::optional<std::string> earlier,
                      environment_.store->FindRequest(request.request_id(), digest));
  if (earlier.has_value()) {
    TY_ASSIGN_OR_RETURN(const auto record, Find(absl::StrCat(kNamePrefix, *earlier)));
    return record->Snapshot();
  }
  TY_ASSIGN_OR_RETURN(Pipeline pipeline, Parse(request));
  TY_RETURN_IF_ERROR(CheckStages(environment_, pipeline, request.key()));
  if (request.validate_only()) {
    v1::Run checked = NewRun(pipeline, "");
    checked.clear_name();
    checked.clear_results_uri();
    return checked;
  }
  if (threads_.waiting() >= environment_.max_waiting_runs) {
    return worker::WithRetry(worker::WithReason(absl::UnavailableError(absl::StrCat(
                                                    environment_.max_waiting_runs,
                                                    " runs wait for their turn; try again later")),
                                                "QUEUE_FULL"),
                             absl::Seconds(10));
  }
  TY_ASSIGN_OR_RETURN(const auto stored, Store(request, pipeline, digest));
  const auto& [id, record] = stored;
  if (record == nullptr) {
    TY_ASSIGN_OR_RETURN(const auto earlier_record, Find(absl::StrCat(kNamePrefix, id)));
    return earlier_record->Snapshot();
  }
  LogInfo("run started", {{"run", id}, {"pipeline", pipeline.name}});
  Launch(std::move(pipeline),
         {.key = request.key(), .secret = std::move(secret), .force = request.force()}, record);
  return record->Snapshot();
}

// Stores the run under a name of its own. Without a record when the request_id had a run already,
// whose name it gives.
absl::StatusOr<std::pair<std::string, std::shared_ptr<RunRecord>>> Runs::Store(
    const v1::StartRunRequest& request, const Pipeline& pipeline, const std::string& digest) {
  for (int tries = 1;; ++tries) {
    const std::string id = NewId();
    StoredRun stored = ToStore(request, pipeline, id);
    stored.request_digest = digest;
    const RunEvent created{.sequence = 1,
                           .time = environment_.clock(),
                           .type = EventType::kRunCreated,
                           .payload = NewRun(pipeline, id).SerializeAsString()};
    TY_ASSIGN_OR_RETURN(RunState state, Fold({created}));
    auto record =
        std::make_shared<RunRecord>(id, std::move(state), environment_.store, environment_.clock);
    // Before anybody can read of the run and ask for it: it has one record, which tells of changes.
    const bool is_new = [&] {
      const std::lock_guard lock(mutex_);
      return active_.emplace(id, record).second;
    }();
    const auto kept = environment_.store->Create(stored, created);
    if (kept.ok() && *kept == id) return std::pair(id, std::move(record));
    if (is_new) {
      const std::lock_guard lock(mutex_);
      active_.erase(id);
    }
    if (kept.ok()) return std::pair(*kept, nullptr);
    if (!absl::IsAlreadyExists(kept.status()) || tries == kIdTries) return kept.status();
  }
}

absl::Status Runs::TakeUp() {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> ids, environment_.store->Unfinished());
  for (const std::string& id : ids) {
    const absl::Status status = TakeUpOne(id);
    // One run that cannot go on must not keep the others from it.
    if (!status.ok())
      LogError(
          "run cannot go on",
          {{"run", id}, {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  return absl::OkStatus();
}

absl::Status Runs::TakeUpOne(const std::string& id) {
  TY_ASSIGN_OR_RETURN(const StoredRun stored, environment_.store->Get(id));
  TY_ASSIGN_OR_RETURN(std::shared_ptr<RunRecord> record, Load(id));
  v1::StartRunRequest request;
  auto pipeline = request.ParseFromString(stored.request)
                      ? Parse(request)
                      : absl::DataLossError("the stored request does not parse");
  if (!pipeline.ok()) {
    LogWarning("run ends, since it cannot go on",
               {{"run", id}, {"error", std::string(pipeline.status().message())}});
    Work(record, [this, record, error = worker::RpcStatusFrom(pipeline.status())] {
      EndUnfollowed(*record, error);
    });
    return absl::OkStatus();
  }
  LogInfo("run goes on after a restart", {{"run", id}, {"pipeline", pipeline->name}});
  Launch(*std::move(pipeline),
         {.key = request.key(), .key_lost = stored.had_literal_key, .force = request.force()},
         std::move(record));
  return absl::OkStatus();
}

// Ends a run whose stages are not known any more, and what works for it.
void Runs::EndUnfollowed(RunRecord& record, const google::rpc::Status& error) {
  const v1::Run run = record.Snapshot();
  absl::Status stored;
  for (const v1::Run::Stage& stage : run.stages()) {
    if (IsFinal(stage.state())) continue;
    if (!stage.operation().empty()) {
      environment_.canceller->Cancel(stage.address(), stage.operation());
    }
    v1::Run::Stage change;
    change.set_name(stage.name());
    *change.mutable_error() = error;
    stored.Update(record.Append(EventType::kStageFailed, change));
  }
  stored.Update(record.End(v1::Run::FAILED, &error));
  if (stored.ok()) return;
  LogError("run cannot be ended", {{"run", record.id()}, {"error", std::string(stored.message())}});
}

void Runs::Launch(Pipeline pipeline, RunChoices choices, std::shared_ptr<RunRecord> record) {
  const auto execution = std::make_shared<RunExecution>(environment_, std::move(pipeline),
                                                        std::move(choices), record);
  Work(std::move(record), [execution] { execution->Execute(); });
}

// Does `work`, which ends the run, on a thread of the runs.
void Runs::Work(std::shared_ptr<RunRecord> record, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    // Stored already: the next process takes it up.
    if (ending_) return;
    active_.emplace(record->id(), record);
  }
  threads_.Run(
      record->id(),
      [this, work = std::move(work), record] {
        record->SetWaiting(false);
        work();
        const std::lock_guard lock(mutex_);
        // One that could not be ended is still asked for here, and goes on after a restart.
        if (IsFinal(record->Snapshot().state())) active_.erase(record->id());
      },
      [&record] { record->SetWaiting(true); });
}

absl::StatusOr<std::shared_ptr<RunRecord>> Runs::Load(const std::string& id) const {
  TY_ASSIGN_OR_RETURN(const std::vector<RunEvent> events, environment_.store->Events(id));
  auto state = Fold(events);
  if (!state.ok()) return Annotate(state.status(), absl::StrCat("run '", id, "'"));
  return std::make_shared<RunRecord>(id, *std::move(state), environment_.store,
                                     environment_.clock);
}

absl::StatusOr<std::shared_ptr<RunRecord>> Runs::Find(const std::string& name) {
  absl::string_view id = name;
  if (!absl::ConsumePrefix(&id, kNamePrefix) || id.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("name is '", name, "'; expected runs/<id>"));
  }
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(std::string(id));
    if (found != active_.end()) return found->second;
  }
  return Load(std::string(id));
}

absl::StatusOr<v1::ListRunsResponse> Runs::List(const v1::ListRunsRequest& request) {
  if (request.page_size() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", request.page_size(), "; expected 0 or more"));
  }
  const int size = service::PageSize(request.page_size());
  if (!request.page_token().empty() && !environment_.store->Get(request.page_token()).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_token '", request.page_token(), "' is none of ours"));
  }
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      environment_.store->List(size + 1, request.page_token()));
  v1::ListRunsResponse response;
  const auto add = [&](const std::string& id) {
    const auto record = Find(absl::StrCat(kNamePrefix, id));
    *response.add_runs() = record.ok() ? (*record)->Snapshot() : Unreadable(id, record.status());
    return response.runs().rbegin()->ByteSizeLong();
  };
  if (const std::string* last = service::FillPage(ids, size, add); last != nullptr) {
    response.set_next_page_token(*last);
  }
  return response;
}

absl::StatusOr<v1::Run> Runs::Cancel(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const auto record, Find(name));
  TY_RETURN_IF_ERROR(record->RequestCancel());
  if (auto work = threads_.Take(record->id())) CancelWaiting(record, std::move(work));
  return record->Snapshot();
}

// A run that waits for others need not wait for its end, too.
void Runs::CancelWaiting(const std::shared_ptr<RunRecord>& record, std::function<void()> work) {
  bool begun = false;
  const v1::Run run = record->Snapshot();
  for (const v1::Run::Stage& stage : run.stages()) {
    // Of an earlier process.
    if (stage.state() != v1::Run::RUNNING && stage.state() != v1::Run::CANCELLING) continue;
    begun = true;
    if (!stage.operation().empty()) {
      environment_.canceller->Cancel(stage.address(), stage.operation());
    }
  }
  // What has begun is followed to its end, by a thread that may wait.
  if (!begun) return work();
  threads_.Run(record->id(), std::move(work), [&record] { record->SetWaiting(true); });
}

std::string Runs::NewId() const {
  return absl::StrFormat(
      "r%s-%08x%08x",
      absl::FormatTime("%Y%m%d-%H%M%S", environment_.clock(), absl::UTCTimeZone()),
      environment_.random(), environment_.random());
}

}  // namespace trainyard::orchestrator
