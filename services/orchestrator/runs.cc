#include "services/orchestrator/runs.h"

#include <algorithm>
#include <random>
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
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/cache_key.h"
#include "services/orchestrator/run_execution.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::string_view kNamePrefix = "runs/";
constexpr int64_t kMaxSpecBytes = 4 << 20;
constexpr size_t kMaxRequestIdBytes = 36;
constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 1000;

bool IsReference(absl::string_view key) {
  return absl::StartsWith(key, "env:") || absl::StartsWith(key, "file:");
}

// Puts the problems of `status`, or the status itself, below `field`.
void Collect(const absl::Status& status, const std::string& field, Problems& all,
             absl::StatusCode& code) {
  if (status.ok()) return;
  const std::vector<Problem> problems = ProblemsFrom(status);
  for (Problem problem : problems) {
    problem.field = problem.field.empty() ? field : absl::StrCat(field, ".", problem.field);
    all.AddProblem(std::move(problem));
  }
  if (problems.empty()) all.Add(field, "%s", std::string(status.message()));
  if (code == absl::StatusCode::kOk) {
    code = status.code();
  } else if (code != status.code()) {
    code = absl::StatusCode::kInvalidArgument;
  }
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

std::string DigestOf(v1::StartRunRequest request) {
  request.clear_request_id();
  request.clear_key();
  return Sha256Hex(DeterministicBytes(request));
}

}  // namespace

Runs::~Runs() {
  std::map<std::string, Active> active;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    active.swap(active_);
  }
  for (auto& [id, run] : active) run.record->Shutdown();
  // The threads are joined here.
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
  if (request.request_id().size() > kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", request.request_id().size(),
                                                   " characters; expected at most ",
                                                   kMaxRequestIdBytes));
  }
  auto secret = IsReference(request.key()) ? nullptr : HoldSecret(request.key());
  const std::string digest = DigestOf(request);
  TY_ASSIGN_OR_RETURN(const std::optional<std::string> earlier,
                      environment_.store->FindRequest(request.request_id(), digest));
  if (earlier.has_value()) {
    TY_ASSIGN_OR_RETURN(const auto record, Find(absl::StrCat(kNamePrefix, *earlier)));
    return record->Snapshot();
  }
  TY_ASSIGN_OR_RETURN(Pipeline pipeline, Parse(request));
  TY_RETURN_IF_ERROR(Check(pipeline, request.key()));
  if (request.validate_only()) {
    v1::Run checked = NewRun(pipeline, "");
    checked.clear_name();
    checked.clear_results_uri();
    return checked;
  }
  const std::string id = NewId();
  StoredRun stored = ToStore(request, pipeline, id);
  stored.request_digest = digest;
  const RunEvent created{.sequence = 1,
                         .time = environment_.clock(),
                         .type = EventType::kRunCreated,
                         .payload = NewRun(pipeline, id).SerializeAsString()};
  TY_ASSIGN_OR_RETURN(const std::string kept, environment_.store->Create(stored, created));
  if (kept != id) {
    TY_ASSIGN_OR_RETURN(const auto record, Find(absl::StrCat(kNamePrefix, kept)));
    return record->Snapshot();
  }
  TY_ASSIGN_OR_RETURN(RunState state, Fold({created}));
  auto record =
      std::make_shared<RunRecord>(id, std::move(state), environment_.store, environment_.clock);
  const v1::Run run = record->Snapshot();
  LogInfo("run started", {{"run", id}, {"pipeline", pipeline.name}});
  Launch(std::move(pipeline),
         {.key = request.key(), .secret = std::move(secret), .force = request.force()},
         std::move(record));
  return run;
}

absl::Status Runs::Check(const Pipeline& pipeline, const std::string& key) const {
  Problems problems;
  absl::StatusCode code = absl::StatusCode::kOk;
  for (const StageSpec& stage : pipeline.stages) {
    Collect(CheckStage(pipeline, stage, key), absl::StrCat("stage '", stage.name, "'"), problems,
            code);
  }
  return problems.ToStatus(code);
}

absl::Status Runs::CheckStage(const Pipeline& pipeline, const StageSpec& stage,
                              const std::string& key) const {
  TY_ASSIGN_OR_RETURN(v1::StageInput input, BuildDraftInput(pipeline, stage));
  if (!input.spec_text().empty()) {
    const PathRule as_it_is = [](absl::string_view path) { return std::string(path); };
    TY_RETURN_IF_ERROR(environment_.read_spec(SpecQuestionOf(stage, input), as_it_is));
  }
  const auto own = pipeline.services.find(stage.kind->service);
  const auto fallback = environment_.default_services.find(stage.kind->service);
  const std::vector<std::string> addresses =
      own != pipeline.services.end()                        ? own->second
      : fallback != environment_.default_services.end() ? fallback->second
                                                            : std::vector<std::string>();
  if (addresses.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("needs service '", stage.kind->service,
                     "', which has no address; name one under `services` of the pipeline"));
  }
  if (!IsSelfContained(stage)) return absl::OkStatus();
  if (stage.kind->uses_key) input.set_key(key.empty() ? pipeline.key : key);
  const StageCall call{
      .kind = stage.kind, .stage = input, .options = stage.options, .validate_only = true};
  absl::Status status;
  for (const std::string& address : addresses) {
    const auto checked = environment_.client->Start(address, call);
    status = checked.status();
    if (checked.ok() && checked->has_error()) status = StatusFromRpc(checked->error());
    if (!absl::IsUnavailable(status)) return status;
  }
  return status;
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
  if (!request.ParseFromString(stored.request)) {
    return absl::DataLossError("the stored request does not parse");
  }
  absl::Status obstacle;
  if (stored.had_literal_key) {
    obstacle = absl::FailedPreconditionError(
        "the orchestrator was started again and does not keep keys that are given themselves; start "
        "the run again with its key (what is done comes from the cache), or give env:NAME or "
        "file:PATH");
  }
  auto pipeline = Parse(request);
  if (obstacle.ok()) obstacle = pipeline.status();
  if (!obstacle.ok()) {
    const google::rpc::Status error = RpcStatusFrom(obstacle);
    LogWarning("run ends, since it cannot go on", {{"run", id}, {"error", error.message()}});
    return record->End(v1::Run::FAILED, &error);
  }
  LogInfo("run goes on after a restart", {{"run", id}, {"pipeline", pipeline->name}});
  Launch(*std::move(pipeline), {.key = request.key(), .secret = nullptr, .force = request.force()},
         std::move(record));
  return absl::OkStatus();
}

void Runs::Launch(Pipeline pipeline, RunChoices choices, std::shared_ptr<RunRecord> record) {
  auto execution = std::make_unique<RunExecution>(environment_, std::move(pipeline),
                                                  std::move(choices), record);
  const std::lock_guard lock(mutex_);
  // Stored already: the next process takes it up.
  if (ending_) return;
  active_.emplace(record->id(), Active{record, std::jthread([execution = std::move(execution)] {
                                         execution->Execute();
                                       })});
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
    if (found != active_.end()) return found->second.record;
  }
  return Load(std::string(id));
}

absl::StatusOr<v1::ListRunsResponse> Runs::List(const v1::ListRunsRequest& request) {
  if (request.page_size() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", request.page_size(), "; expected 0 or more"));
  }
  const int size = request.page_size() == 0 ? kDefaultPage
                                            : std::min(request.page_size(), kLargestPage);
  if (!request.page_token().empty() && !environment_.store->Get(request.page_token()).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_token '", request.page_token(), "' is none of ours"));
  }
  TY_ASSIGN_OR_RETURN(std::vector<std::string> ids,
                      environment_.store->List(size + 1, request.page_token()));
  v1::ListRunsResponse response;
  if (static_cast<int>(ids.size()) > size) {
    ids.resize(size);
    response.set_next_page_token(ids.back());
  }
  for (const std::string& id : ids) {
    TY_ASSIGN_OR_RETURN(const auto record, Find(absl::StrCat(kNamePrefix, id)));
    *response.add_runs() = record->Snapshot();
  }
  return response;
}

absl::StatusOr<v1::Run> Runs::Cancel(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const auto record, Find(name));
  TY_RETURN_IF_ERROR(record->RequestCancel());
  return record->Snapshot();
}

std::string Runs::NewId() const {
  std::random_device random;
  return absl::StrFormat("r%s-%04x",
                         absl::FormatTime("%Y%m%d-%H%M%S", environment_.clock(),
                                          absl::UTCTimeZone()),
                         random() & 0xffff);
}

}  // namespace trainyard::orchestrator
