#include "libs/service/internal/operation_state.h"

#include <algorithm>
#include <exception>
#include <new>
#include <random>
#include <system_error>
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

using std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(200);
constexpr absl::Duration kLease = absl::Seconds(15);
constexpr auto kRenewInterval = std::chrono::seconds(5);
constexpr auto kHouseInterval = std::chrono::minutes(1);
constexpr absl::Duration kQueueRetry = absl::Seconds(2);

absl::Status Busy(absl::string_view what, absl::string_view reason) {
  return worker::WithRetry(worker::WithReason(absl::UnavailableError(what), reason), kQueueRetry);
}

template <typename Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("an exception reached the operation's edge: ", error.what()));
  }
}

}  // namespace

void LogEnd(const OperationRow& row, const std::string& name) {
  const int64_t elapsed_ms =
      TimeUtil::TimestampToMilliseconds(row.metadata.end_time()) - row.create_us / 1000;
  if (row.metadata.state() == Metadata::FAILED) {
    LogWarning("operation failed",
               {{"job", name},
                {"stage", row.stage},
                {"elapsed_ms", elapsed_ms},
                {"error", row.error.has_value() ? row.error->message() : ""}});
    return;
  }
  const bool succeeded = row.metadata.state() == Metadata::SUCCEEDED;
  LogInfo(succeeded ? "operation succeeded" : "operation cancelled",
          {{"job", name}, {"stage", row.stage}, {"elapsed_ms", elapsed_ms}});
}

void LogIfFailed(const absl::Status& status) {
  if (status.ok()) return;
  LogError("housekeeping of operations failed",
           {{"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
}

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
      owner(absl::StrCat(options.replica, "/", NewId())),
      retention_clock(store->Facts().value_or(std::map<std::string, int64_t>()),
                      options.wall_clock(), steady_clock::now()) {}

google::protobuf::Timestamp OperationManager::State::TimestampNow() const {
  return TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(options.wall_clock()));
}

int64_t OperationManager::State::RetentionMicros() const {
  return absl::ToUnixMicros(retention_clock.At(steady_clock::now()));
}

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
  return absl::ToUnixMicros(options.wall_clock() + kLease);
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
  if (lane.Load() < options.max_running) return absl::OkStatus();
  int waiting = 0, running = 0;
  for (const auto& [name, each] : lanes) {
    waiting += std::max(0, each.Load() - options.max_running);
    running += std::min(each.Load(), options.max_running);
  }
  if (waiting < options.max_queue) return absl::OkStatus();
  return Busy(absl::StrCat("the queue is full: ", running, " operations work and ", waiting,
                           " wait, as many as are allowed"),
              "QUEUE_FULL");
}

absl::StatusOr<std::string> OperationManager::State::Enqueue(OperationRow row, const Stage& stage,
                                                             StageRun run, Key key) {
  std::unique_lock<std::mutex> lock(mutex);
  Lane& lane = lanes[stage.lane];
  TY_RETURN_IF_ERROR(CheckRoomLocked(lane));
  row.owner = owner;
  row.metadata.set_owner_address(address);
  const auto record =
      std::make_shared<OperationRecord>(store.get(), NameOf(row.id), std::move(row), &stage);
  record->SetWork(std::move(run), std::move(key));
  // It has its place, but not the lock, while it goes to the disk.
  live[record->id()] = record;
  ++lane.entering;
  lock.unlock();
  const auto earlier = store->Insert(record->Row());
  lock.lock();
  --lane.entering;
  if (!earlier.ok() || earlier->has_value()) {
    live.erase(record->id());
    TY_RETURN_IF_ERROR(earlier.status());
    return (*earlier)->id;
  }
  lane.waiting.push_back(record);
  lock.unlock();
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
      try {
        *self = std::thread([this, self, record] { Work(self, record); });
        lacks_thread = false;
      } catch (const std::system_error& error) {
        if (!std::exchange(lacks_thread, true)) {
          LogError("no thread for an operation; it waits on", {{"error", error.what()}});
        }
        working.erase(self);
        --lane.running;
        lane.waiting.push_front(record);
        return;
      }
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
    TakeBackDeath(*record);
  } else {
    Finish(record, result);
  }
  const std::lock_guard<std::mutex> lock(mutex);
  --lanes[record->stage()->lane].running;
  finished.splice(finished.end(), working, self);
  ClaimLocked();
  changed.notify_all();
}

void OperationManager::State::TakeBackDeath(OperationRecord& record) const {
  record.Write([](OperationRow& row) {
    if (row.metadata.state() != Metadata::PENDING) row.deaths = std::max(0, row.deaths - 1);
  }).IgnoreError();  // logged there
}

absl::StatusOr<v1::StageResult> OperationManager::State::Run(const Record& record) {
  // Counted, on the disk, before anything is done for it that could end the process.
  TY_RETURN_IF_ERROR(record->WriteAndAwait([this](OperationRow& row) {
    // A cancel that came between the claim and now is seen by the stop token.
    if (!row.metadata.cancel_requested()) row.metadata.set_state(Metadata::RUNNING);
    *row.metadata.mutable_start_time() = TimestampNow();
    ++row.deaths;
  }));
  LogInfo("operation begins", {{"job", record->name()},
                               {"stage", record->stage()->name},
                               {"attempt", record->Row().metadata.attempt()}});
  return Guarded([&]() -> absl::StatusOr<v1::StageResult> {
    const std::unique_ptr<google::protobuf::Message> request(record->stage()->prototype->New());
    const auto stored = record->Row().request;
    if (stored == nullptr || !request->ParseFromString(*stored)) {
      return absl::DataLossError("the stored request cannot be read");
    }
    if (!record->has_work()) {
      TY_RETURN_IF_ERROR(Annotate(MakeWork(*record, *request), "cannot go on after a restart"));
    }
    if (options.check_inputs) {
      TY_RETURN_IF_ERROR(options.check_inputs(*request, record->stop()));
    }
    const int budget = options.threads > 0 ? options.threads : ThreadBudget();
    const int threads = std::max(1, budget / std::max(1, options.max_running));
    OperationContext context(record, record->stop(), record->key(), threads, options.job_memory,
                             ScratchDirOf(record->id()));
    return record->run()(context);
  });
}

// Makes the work of a stored row anew.
absl::Status OperationManager::State::MakeWork(OperationRecord& record,
                                               const google::protobuf::Message& request) {
  TY_ASSIGN_OR_RETURN(Key key, ResolveKey(KeyOf(request)));
  // One that never began left nothing behind.
  const Occasion occasion =
      record.Row().metadata.attempt() > 1 ? Occasion::kTakenUp : Occasion::kNew;
  TY_ASSIGN_OR_RETURN(StageRun run, record.stage()->prepare(request, occasion));
  record.SetWork(std::move(run), std::move(key));
  return absl::OkStatus();
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
  const absl::StatusOr<bool> stored =
      record->End([&](OperationRow& row) { SetEnd(row, result); });
  if (stored.ok() && !*stored) return;  // the ticker goes on with it
  Conclude(record);
}

void OperationManager::State::SetEnd(OperationRow& row,
                                     const absl::StatusOr<v1::StageResult>& result) const {
  if (result.ok()) {
    row.metadata.set_state(Metadata::SUCCEEDED);
    row.response = *result;
    for (const v1::Metric& metric : result->metrics()) MergeMetric(metric, &row.metadata);
  } else {
    const bool on_request = row.metadata.cancel_requested();
    const bool cancelled = on_request && absl::IsCancelled(result.status());
    row.metadata.set_state(cancelled ? Metadata::CANCELLED : Metadata::FAILED);
    row.error = worker::RpcStatusFrom(result.status());
  }
  *row.metadata.mutable_end_time() = TimestampNow();
  row.kept_from_us = RetentionMicros();
}

void OperationManager::State::Conclude(const Record& record) {
  const OperationRow row = record->Row();
  if (IsFinal(row.metadata.state())) LogEnd(row, record->name());
  const std::lock_guard<std::mutex> lock(mutex);
  live.erase(record->id());
}

// --- Keeping house ---

void OperationManager::State::KeepHouse() {
  const absl::Duration keep = options.retention;
  LogIfFailed(store->SetFacts(
      retention_clock.State(options.wall_clock(), steady_clock::now())));
  const auto ids = store->DeleteEndedBefore(RetentionMicros() - absl::ToInt64Microseconds(keep));
  LogIfFailed(ids.status());
  if (!ids.ok()) return;
  for (const std::string& id : *ids) LogIfFailed(RemoveTree(ScratchDirOf(id)));
}

void OperationManager::State::Tick() {
  auto renewed = steady_clock::now(), kept_house = renewed;
  std::unique_lock<std::mutex> lock(mutex);
  while (!ended) {
    changed.wait_for(lock, kTick, [this] { return ended; });
    const std::vector<Record> records = LiveLocked();
    std::list<std::thread> joinable = std::exchange(finished, {});
    lock.unlock();
    for (std::thread& thread : joinable) thread.join();
    for (const Record& record : records) {
      if (record->StoreLate()) Conclude(record);
      record->NotifyIfChanged();
    }
    const auto now = steady_clock::now();
    if (!records.empty() && now - renewed >= kRenewInterval) {
      LogIfFailed(store->Renew(owner, LeaseEnd()));
      renewed = now;
    }
    if (now - kept_house >= kHouseInterval) {
      KeepHouse();
      kept_house = now;
    }
    lock.lock();
    ClaimLocked();  // what no thread could be made for
  }
}

bool OperationManager::State::AwaitIdle(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex);
  const auto idle = [this] { return working.empty(); };
  if (timeout == absl::InfiniteDuration()) {
    changed.wait(lock, idle);
    return true;
  }
  return changed.wait_for(lock, absl::ToChronoNanoseconds(timeout), idle);
}

}  // namespace trainyard::service
