#include "libs/service/operations.h"

#include <map>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/internal/operation_list.h"
#include "libs/service/internal/operation_record.h"
#include "libs/service/internal/operation_request.h"
#include "libs/service/internal/operation_state.h"
#include "libs/service/internal/sqlite_operation_store.h"
#include "libs/service/internal/state_owner.h"
#include "libs/service/key.h"
#include "libs/service/page.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

constexpr size_t kMostRequestIdBytes = 36;
// For a status that stays in this process, or in an operation.
constexpr worker::RpcStatusLimits kWholeStatus{.detail_bytes = size_t{1} << 20,
                                               .message_bytes = size_t{1} << 20};

// What a validate_only answers, also when a call's status could not hold all of it.
absl::StatusOr<Operation> CheckedOperation(const absl::Status& status) {
  Operation operation;
  operation.set_done(true);
  if (status.ok()) {
    operation.mutable_response()->PackFrom(v1::StageResult());
    return operation;
  }
  const google::rpc::Status full = worker::RpcStatusFrom(status, kWholeStatus);
  if (ProblemsFrom(status).empty() ||
      full.ByteSizeLong() <= worker::RpcStatusLimits().detail_bytes) {
    return status;
  }
  *operation.mutable_error() = full;
  return operation;
}

absl::Status Check(const Stage& stage, const TakenRequest& request, Key* key) {
  TY_ASSIGN_OR_RETURN(*key, ResolveKey(request.key));
  return stage.prepare(*request.stored, Occasion::kNew).status();
}

OperationRow NewRow(const Stage& stage, const TakenRequest& request, absl::Time now) {
  const int64_t now_us = absl::ToUnixMicros(now);
  OperationRow row;
  row.id = NewId();
  row.stage = stage.name;
  row.request = std::make_shared<const std::string>(DeterministicBytes(*request.stored));
  row.key_kind = request.key_kind;
  row.request_id = request.request_id;
  row.request_digest = request.digest;
  row.create_us = now_us;
  row.metadata.set_state(Metadata::PENDING);
  row.metadata.set_stage(stage.name);
  row.metadata.set_attempt(1);
  row.metadata.set_sequence(1);
  row.metadata.set_input_digest(request.digest);
  *row.metadata.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(now_us);
  return row;
}

absl::Status WrongReplica(const std::string& name, const std::string& replica,
                          const std::string& owner) {
  std::map<std::string, std::string> metadata = {{"replica", replica}};
  if (!owner.empty()) metadata["owner"] = owner;
  const std::string where = owner.empty() ? "" : absl::StrCat(" at ", owner);
  return worker::WithReason(
      absl::FailedPreconditionError(absl::StrCat("operation '", name, "' is owned by replica '",
                                                 replica, "'", where, "; ask there")),
      "WRONG_REPLICA", metadata);
}

// The id in a name of this replica; a redirect for one of another replica.
absl::StatusOr<std::string> IdIn(const std::string& name,
                                 const OperationManager::Options& options) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  const bool whole =
      parts.size() == 4 && parts[0] == "operations" && !parts[2].empty() && !parts[3].empty();
  if (!whole) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name, "' is no operation; expected operations/SERVICE/REPLICA/ID"));
  }
  const std::string &service = parts[1], &replica = parts[2];
  if (service != options.service) {
    return absl::NotFoundError(absl::StrCat("operation '", name, "' belongs to the service '",
                                            service, "'; this is '", options.service, "'"));
  }
  if (replica == options.replica) return parts[3];
  return WrongReplica(name, replica, options.find_peer ? options.find_peer(replica) : "");
}

}  // namespace

OperationManager::Subscription::Subscription(std::shared_ptr<OperationRecord> record,
                                             std::function<void()> changed)
    : record_(std::move(record)), id_(record_->AddSubscriber(std::move(changed))) {}

OperationManager::Subscription::~Subscription() { record_->RemoveSubscriber(id_); }

bool OperationManager::Subscription::HasNews(int64_t sequence) const {
  return record_->HasNews(sequence);
}

OperationManager::OperationManager(Options options, std::unique_ptr<OperationStore> store)
    : options_(std::move(options)), state_(std::make_unique<State>(options_, std::move(store))) {}

absl::StatusOr<std::unique_ptr<OperationManager>> OperationManager::Create(
    Options options, std::unique_ptr<OperationStore> store) {
  Problems problems;
  const auto check_part = [&problems](const char* field, const std::string& value) {
    const bool plain = !value.empty() && value.find_first_of("/ \t\n") == std::string::npos;
    if (!plain) problems.Add(field, "is '%s'; expected a name without slashes or spaces", value);
  };
  check_part("service", options.service);
  check_part("replica", options.replica);
  if (options.state_dir.empty()) problems.Add("state_dir", "is not set");
  if (options.max_running < 1) {
    problems.Add("max_running", "is %d; expected at least 1", options.max_running);
  }
  if (options.max_queue < 0) {
    problems.Add("max_queue", "is %d; expected at least 0", options.max_queue);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  TY_RETURN_IF_ERROR(CheckStateOwner(options.state_dir, options.service));
  if (store == nullptr) {
    TY_ASSIGN_OR_RETURN(store, OpenSqliteOperationStore(options.state_dir));
  }
  TY_RETURN_IF_ERROR(ClaimStateDir(options.state_dir, options.service));
  return std::unique_ptr<OperationManager>(
      new OperationManager(std::move(options), std::move(store)));
}

OperationManager::~OperationManager() { Drain(); }

void OperationManager::AddStage(Stage stage) {
  const std::string name = stage.name;
  state_->stages.emplace(name, std::move(stage));
}

absl::Status OperationManager::Begin(const std::string& address) {
  state_->KeepHouse();
  TY_RETURN_IF_ERROR(state_->TakeUp(address));
  state_->Claim();
  state_->ticker = std::thread([this] { state_->Tick(); });
  return absl::OkStatus();
}

std::string OperationManager::NameOf(absl::string_view id) const { return state_->NameOf(id); }

absl::StatusOr<Operation> OperationManager::Start(const std::string& stage_name,
                                                  const google::protobuf::Message& request) {
  const auto found = state_->stages.find(stage_name);
  if (found == state_->stages.end()) {
    return absl::UnimplementedError(absl::StrCat("service '", options_.service,
                                                 "' does not offer the stage '", stage_name, "'"));
  }
  const Stage& stage = found->second;
  TY_RETURN_IF_ERROR(CheckSize(request));
  const TakenRequest taken = TakeApart(request);
  // What a check says may hold the key. The caller gets, and logs, the status after this returns.
  const Key literal{.secret = IsKeyReference(taken.key) ? nullptr : HoldSecret(taken.key)};
  Key key;
  absl::StatusOr<Operation> started = StartTaken(stage, taken, &key);
  if (started.ok() || taken.key.empty()) return started;
  return worker::StatusFromRpc(worker::RpcStatusFrom(started.status(), kWholeStatus));
}

absl::StatusOr<Operation> OperationManager::StartTaken(const Stage& stage,
                                                       const TakenRequest& taken, Key* key) {
  if (taken.request_id.size() > kMostRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", taken.request_id.size(),
                                                   " bytes; expected at most ",
                                                   kMostRequestIdBytes));
  }
  if (taken.validate_only) return CheckedOperation(Check(stage, taken, key));
  // Before the checks: what made them pass may have changed since the first call.
  TY_ASSIGN_OR_RETURN(const auto same,
                      state_->store->FindRequest(stage.name, taken.request_id, taken.digest));
  if (same.has_value()) return Get(NameOf(same->id));
  if (draining()) return DrainingError();
  TY_ASSIGN_OR_RETURN(*key, ResolveKey(taken.key));
  TY_ASSIGN_OR_RETURN(StageRun run, stage.prepare(*taken.stored, Occasion::kNew));
  TY_ASSIGN_OR_RETURN(const std::string id,
                      state_->Enqueue(NewRow(stage, taken, options_.wall_clock()), stage,
                                      std::move(run), *key));
  // As it was stored: it does not work before the claim.
  const absl::StatusOr<Operation> started = Get(NameOf(id));
  state_->Claim();
  return started;
}

absl::StatusOr<Operation> OperationManager::Get(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  if (const auto record = state_->FindLive(id); record != nullptr) return record->Proto();
  TY_ASSIGN_OR_RETURN(const OperationRow row, state_->store->Get(id));
  return ProtoOf(row, name);
}

absl::StatusOr<google::longrunning::ListOperationsResponse> OperationManager::List(
    const google::longrunning::ListOperationsRequest& request) {
  TY_ASSIGN_OR_RETURN(const ListPage page,
                      ReadListRequest(request, options_.service, options_.replica));
  TY_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows, state_->store->List(page.query));
  google::longrunning::ListOperationsResponse response;
  const auto add = [&](const OperationRow& row) -> size_t {
    if (!row.damage.empty()) {
      response.add_unreachable(NameOf(row.id));
      LogError("row is damaged", {{"job", NameOf(row.id)}, {"damage", row.damage}});
      return 0;
    }
    // The store may be a little behind what works now.
    const auto operation = Get(NameOf(row.id));
    *response.add_operations() = operation.ok() ? *operation : ProtoOf(row, NameOf(row.id));
    return response.operations().rbegin()->ByteSizeLong();
  };
  if (const OperationRow* last = FillPage(rows, page.size, add); last != nullptr) {
    response.set_next_page_token(PageTokenAfter(*last, page));
  }
  return response;
}

absl::Status OperationManager::Cancel(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  std::shared_ptr<OperationRecord> record;
  bool was_waiting;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const auto found = state_->live.find(id);
    if (found == state_->live.end()) return state_->store->Get(id).status();
    record = found->second;
    was_waiting = state_->LeaveQueueLocked(record);
  }
  LogInfo("cancel requested", {{"job", name}});
  const absl::Status stored = record->Write([was_waiting](OperationRow& row) {
    row.metadata.set_cancel_requested(true);
    if (!was_waiting) row.metadata.set_state(Metadata::CANCELLING);
  });
  record->RequestStop();
  if (was_waiting) state_->Finish(record, absl::CancelledError("cancelled before it began"));
  return Annotate(stored, "the operation is told to stop, but that could not be stored yet");
}

absl::Status OperationManager::Delete(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  TY_RETURN_IF_ERROR(state_->store->Delete(id));
  {
    // Its thread may not have let go of it yet, and it would be told a little longer.
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->live.erase(id);
  }
  return RemoveTree(state_->ScratchDirOf(id));
}

std::shared_ptr<OperationManager::Subscription> OperationManager::Subscribe(
    const std::string& name, std::function<void()> changed) {
  const auto id = IdIn(name, options_);
  if (!id.ok()) return nullptr;
  auto record = state_->FindLive(*id);
  if (record == nullptr) return nullptr;
  return std::shared_ptr<Subscription>(
      new Subscription(std::move(record), std::move(changed)));
}

bool OperationManager::Drain(absl::Duration timeout) {
  std::vector<std::shared_ptr<OperationRecord>> records;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->draining = true;
    records = state_->LiveLocked();
  }
  for (const auto& record : records) record->RequestStop();
  const bool idle = state_->AwaitIdle(timeout);
  for (const auto& record : records) {
    // The last try: an end that is not stored now did not come, for clients and the next process.
    if (idle && record->StoreLate(/*at_once=*/true)) state_->Conclude(record);
    // Work that hangs is cut off by us, and kills nobody.
    if (!idle) state_->TakeBackDeath(*record);
    record->Notify();
  }
  return idle;
}

bool OperationManager::draining() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->draining;
}

}  // namespace trainyard::service
