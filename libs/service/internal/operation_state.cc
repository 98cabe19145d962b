#include "libs/service/internal/operation_state.h"

#include <algorithm>
#include <exception>
#include <new>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/internal/operation_request.h"
#include "libs/service/key.h"
#include "libs/service/threads.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using google::protobuf::util::TimeUtil;
using Metadata = v1::OperationMetadata;

constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kLease = absl::Seconds(15);
constexpr absl::Duration kRenewInterval = absl::Seconds(5);
constexpr absl::Duration kPurgeInterval = absl::Hours(1);
constexpr absl::Duration kQueueRetry = absl::Seconds(2);

google::protobuf::Timestamp TimestampNow() {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(absl::Now()));
}

absl::Status Busy(absl::string_view what, absl::string_view reason) {
  return WithRetry(WithReason(absl::UnavailableError(what), reason), kQueueRetry);
}

absl::StatusOr<v1::StageResult> RunGuarded(const StageRun& run, OperationContext& context) {
  try {
    return run(context);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("an exception reached the operation's edge: ", error.what()));
  }
}

void LogEnd(const OperationRow& row, const std::string& name, const absl::Status& status) {
  const int64_t elapsed_ms =
      TimeUtil::TimestampToMilliseconds(row.metadata.end_time()) - row.create_us / 1000;
  if (row.metadata.state() == Metadata::FAILED) {
    LogWarning("operation failed",
               {{"job", name},
                {"stage", row.stage},
                {"elapsed_ms", elapsed_ms},
                {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
    return;
  }
  const bool succeeded = row.metadata.state() == Metadata::SUCCEEDED;
  LogInfo(succeeded ? "operation succeeded" : "operation cancelled",
          {{"job", name}, {"stage", row.stage}, {"elapsed_ms", elapsed_ms}});
}

}  // namespace

absl::Status DrainingError() { return Busy("the service drains; ask again", "DRAINING"); }

// 12 hex digits of milliseconds, 8 at random.
std::string NewId() {
  std::random_device random;
  return absl::StrFormat("%012x%08x", absl::ToUnixMillis(absl::Now()), random());
}

OperationManager::State::State(const Options& of_manager,
                               std::unique_ptr<OperationStore> of_replica)
    : options(of_manager),
      store(std::move(of_replica)),
      owner(absl::StrCat(options.replica, "/", NewId())) {}

OperationManager::State::~State() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    ended = true;
  }
  changed.notify_all();
  if (ticker.joinable()) ticker.join();
  for (std::thread& thread : finished) thread.join();
}

std::string OperationManager::State::NameOf(absl::string_view id) const {
  return absl::StrCat("operations/", options.service, "/", options.replica, "/", id);
}

std::string OperationManager::State::ScratchDirOf(absl::string_view id) const {
  return JoinPath(options.state_dir, absl::StrCat("operations/", id));
}

int64_t OperationManager::State::LeaseEnd() const {
  return absl::ToUnixMicros(absl::Now() + kLease);
}

OperationManager::State::Record OperationManager::State::FindLive(const std::string& id) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = live.find(id);
  return found == live.end() ? nullptr : found->second;
}

std::vector<OperationManager::State::Record> OperationManager::State::LiveLocked() const {
  std::vector<Record> records;
  for (const auto& [id, record] : live) records.push_back(record);
  return records;
}

// --- From the queue to the end ---

absl::Status OperationManager::State::CheckRoomLocked(const Lane& lane) const {
  if (draining) return DrainingError();
  if (lane.running < options.max_running) return absl::OkStatus();
  size_t waiting = 0;
  int running = 0;
  for (const auto& [name, each] : lanes) {
    waiting += each.waiting.size();
    running += each.running;
  }
  if (waiting < static_cast<size_t>(options.max_queue)) return absl::OkStatus();
  return Busy(absl::StrCat("the queue is full: ", running, " operations work and ", waiting,
                           " wait, as many as are allowed"),
              "QUEUE_FULL");
}

absl::StatusOr<std::string> OperationManager::State::Enqueue(OperationRow row, const Stage& stage,
                                                             StageRun run, Key key) {
  Record record;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    Lane& lane = lanes[stage.lane];
    TY_RETURN_IF_ERROR(CheckRoomLocked(lane));
    row.owner = owner;
    row.lease_until_us = LeaseEnd();
    row.metadata.set_owner_address(address);
    TY_ASSIGN_OR_RETURN(const auto earlier, store->Insert(row));
    if (earlier.has_value()) return earlier->id;
    const std::string name = NameOf(row.id);
    record = std::make_shared<OperationRecord>(store.get(), name, std::move(row), &stage);
    record->SetWork(std::move(run), std::move(key));
    live[record->id()] = record;
    lane.waiting.push_back(record);
  }
  LogInfo("operation stored", {{"job", record->name()}, {"stage", stage.name}});
  return record->id();
}

void OperationManager::State::Claim() {
  const std::lock_guard<std::mutex> lock(mutex);
  ClaimLocked();
}

void OperationManager::State::ClaimLocked() {
  if (!begun || draining) return;
  for (auto& [name, lane] : lanes) {
    while (!lane.waiting.empty() && lane.running < options.max_running) {
      const Record record = std::move(lane.waiting.front());
      lane.waiting.pop_front();
      ++lane.running;
      const auto self = working.emplace(working.end());
      *self = std::thread([this, self, record] { Work(self, record); });
    }
  }
}

bool OperationManager::State::LeaveQueueLocked(const Record& record) {
  for (auto& [name, lane] : lanes) {
    const auto place = std::find(lane.waiting.begin(), lane.waiting.end(), record);
    if (place == lane.waiting.end()) continue;
    lane.waiting.erase(place);
    return true;
  }
  return false;
}

// The thread of one operation.
void OperationManager::State::Work(const std::list<std::thread>::iterator& self,
                                   const Record& record) {
  const absl::StatusOr<v1::StageResult> result = Run(record);
  if (IsLeftForNextProcess(*record, result.status())) {
    LogInfo("operation is left for the next process", {{"job", record->name()}});
    record->PersistIfStale();
    record->Notify();
  } else {
    Finish(record, result);
  }
  const std::lock_guard<std::mutex> lock(mutex);
  --lanes[record->stage()->lane].running;
  finished.splice(finished.end(), working, self);
  ClaimLocked();
  changed.notify_all();
}

absl::StatusOr<v1::StageResult> OperationManager::State::Run(const Record& record) {
  TY_RETURN_IF_ERROR(record->Write([](OperationRow& row) {
    // A cancel that came between the claim and now is seen by the stop token.
    if (!row.metadata.cancel_requested()) row.metadata.set_state(Metadata::RUNNING);
    *row.metadata.mutable_start_time() = TimestampNow();
  }));
  LogInfo("operation begins", {{"job", record->name()},
                               {"stage", record->stage()->name},
                               {"attempt", record->Row().metadata.attempt()}});
  const int budget = options.threads > 0 ? options.threads : ThreadBudget();
  const int threads = std::max(1, budget / std::max(1, options.max_running));
  OperationContext context(record, record->stop(), record->key(), threads,
                           ScratchDirOf(record->id()));
  return RunGuarded(record->run(), context);
}

// Whether the drain stopped the work, and nobody else: its row stays as it is.
bool OperationManager::State::IsLeftForNextProcess(OperationRecord& record,
                                                   const absl::Status& status) const {
  if (!absl::IsCancelled(status) || record.Row().metadata.cancel_requested()) return false;
  const std::lock_guard<std::mutex> lock(mutex);
  return draining;
}

void OperationManager::State::Finish(const Record& record,
                                     const absl::StatusOr<v1::StageResult>& result) {
  const absl::Status stored = record->Write([&](OperationRow& row) {
    if (result.ok()) {
      row.metadata.set_state(Metadata::SUCCEEDED);
      row.response = *result;
      for (const v1::Metric& metric : result->metrics()) MergeMetric(metric, &row.metadata);
    } else {
      const bool on_request = row.metadata.cancel_requested();
      const bool cancelled = on_request && absl::IsCancelled(result.status());
      row.metadata.set_state(cancelled ? Metadata::CANCELLED : Metadata::FAILED);
      row.error = RpcStatusFrom(result.status());
    }
    *row.metadata.mutable_end_time() = TimestampNow();
  });
  LogEnd(record->Row(), record->name(), result.status());
  // What could not be stored stays in memory, so that the caller at least sees it.
  if (!stored.ok()) return;
  const std::lock_guard<std::mutex> lock(mutex);
  live.erase(record->id());
}

// --- After a restart ---

void OperationManager::State::TakeUp(OperationRow row) {
  const std::string name = NameOf(row.id);
  const absl::Status taken = store->TakeOver(row.id, owner, LeaseEnd());
  if (!taken.ok()) {
    LogError(
        "operation cannot be taken over",
        {{"job", name}, {"error", taken.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
    return;
  }
  const bool was_running = row.metadata.state() != Metadata::PENDING;
  row.owner = owner;
  row.metadata.set_sequence(row.metadata.sequence() + kSequenceReserve);
  const auto stage = stages.find(row.stage);
  Record record;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    row.metadata.set_owner_address(address);
    record = std::make_shared<OperationRecord>(store.get(), name, std::move(row),
                                               stage == stages.end() ? nullptr : &stage->second);
    live[record->id()] = record;
  }
  const absl::Status ready = PrepareAgain(*record, was_running);
  if (!ready.ok()) return Finish(record, ready);
  const absl::Status stored = record->Write([was_running](OperationRow& stale) {
    stale.metadata.set_state(Metadata::PENDING);
    stale.metadata.clear_worker();
    if (was_running) stale.metadata.set_attempt(stale.metadata.attempt() + 1);
  });
  if (!stored.ok()) return;
  LogInfo("operation is taken up again", {{"job", name}, {"was_running", was_running}});
  const std::lock_guard<std::mutex> lock(mutex);
  lanes[record->stage()->lane].waiting.push_back(record);
  ClaimLocked();
}

// Why the operation ends here, when it cannot go on.
absl::Status OperationManager::State::PrepareAgain(OperationRecord& record, bool was_running) {
  if (record.Row().metadata.cancel_requested()) {
    return absl::CancelledError("cancelled; the service was restarted meanwhile");
  }
  if (was_running && record.stage() != nullptr && !record.stage()->resumable) {
    return WithReason(absl::AbortedError("the service was restarted in the middle of this "
                                         "operation; start it again"),
                      "OPERATION_INTERRUPTED");
  }
  return Annotate(MakeWork(record), "cannot go on after a restart");
}

// Makes the work of a stored row anew.
absl::Status OperationManager::State::MakeWork(OperationRecord& record) {
  const OperationRow row = record.Row();
  if (record.stage() == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("this service does not offer the stage '", row.stage, "' any more"));
  }
  if (row.key_kind == KeyKind::kLiteral) {
    return WithReason(
        absl::FailedPreconditionError(
            "the service was restarted, and the key, which was given itself, was kept in memory "
            "only; start again, or name the key as env:NAME or file:PATH"),
        "KEY_LOST");
  }
  const std::unique_ptr<google::protobuf::Message> request(record.stage()->prototype->New());
  if (!request->ParseFromString(row.request)) {
    return absl::DataLossError("the stored request cannot be read");
  }
  TY_ASSIGN_OR_RETURN(Key key, ResolveKey(KeyOf(*request)));
  TY_ASSIGN_OR_RETURN(StageRun run, record.stage()->prepare(*request, Occasion::kTakenUp));
  record.SetWork(std::move(run), std::move(key));
  return absl::OkStatus();
}

// --- Keeping house ---

absl::Status OperationManager::State::Purge(absl::Time before) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      store->DeleteEndedBefore(absl::ToUnixMicros(before)));
  for (const std::string& id : ids) TY_RETURN_IF_ERROR(RemoveTree(ScratchDirOf(id)));
  return absl::OkStatus();
}

void OperationManager::State::Tick() {
  absl::Time renewed = absl::Now(), purged = absl::InfinitePast();
  std::unique_lock<std::mutex> lock(mutex);
  while (!ended) {
    changed.wait_for(lock, absl::ToChronoNanoseconds(kTick), [this] { return ended; });
    const std::vector<Record> records = LiveLocked();
    std::list<std::thread> joinable = std::exchange(finished, {});
    lock.unlock();
    for (std::thread& thread : joinable) thread.join();
    for (const Record& record : records) {
      record->PersistIfStale();
      record->Notify();
    }
    const absl::Time now = absl::Now();
    absl::Status status;
    if (!records.empty() && now - renewed >= kRenewInterval) {
      status.Update(store->Renew(owner, LeaseEnd()));
      renewed = now;
    }
    if (now - purged >= kPurgeInterval) {
      status.Update(Purge(now - options.retention));
      purged = now;
    }
    if (!status.ok())
      LogError("housekeeping of operations failed",
               {{"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
    lock.lock();
  }
}

}  // namespace trainyard::service
