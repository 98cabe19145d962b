// What becomes of the operations of a process that is gone.
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/service/internal/operation_state.h"
#include "libs/service/key.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

// How often an operation may take the service with it before it is not begun again.
constexpr int kMostDeaths = 3;

}  // namespace

absl::Status OperationManager::State::TakeUp(const std::string& own_address) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    address = own_address;
  }
  TY_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows, store->Unfinished());
  std::vector<OperationRow> taken;
  for (OperationRow row : rows) {
    if (row.owner == owner) continue;  // began since
    if (row.damage.empty()) {
      Adopt(row);
      taken.push_back(std::move(row));
    } else {
      Quarantine(std::move(row));
    }
  }
  TY_RETURN_IF_ERROR(store->Renew(owner, LeaseEnd()));
  TY_RETURN_IF_ERROR(store->TakeOver(taken));
  const std::lock_guard<std::mutex> lock(mutex);
  for (OperationRow& row : taken) {
    const std::string name = NameOf(row.id);
    if (IsFinal(row.metadata.state())) {
      LogEnd(row, name);
      continue;
    }
    const Stage& stage = stages.find(row.stage)->second;
    LogInfo("operation is taken up again",
            {{"job", name}, {"attempt", row.metadata.attempt()}, {"deaths", row.deaths}});
    const auto record =
        std::make_shared<OperationRecord>(store.get(), name, std::move(row), &stage);
    live[record->id()] = record;
    lanes[stage.lane].waiting.push_back(record);
  }
  begun = true;
  return absl::OkStatus();
}

// Makes a row of an earlier process one of this: it waits for its turn again, or ends here.
void OperationManager::State::Adopt(OperationRow& row) const {
  const bool was_running = row.metadata.state() != Metadata::PENDING;
  row.owner = owner;
  row.metadata.set_sequence(row.metadata.sequence() + kSequenceReserve);
  row.metadata.set_owner_address(address);
  const absl::Status over = WhyOver(row, was_running);
  if (!over.ok()) return SetEnd(row, over);
  row.metadata.set_state(Metadata::PENDING);
  row.metadata.clear_worker();
  if (was_running) row.metadata.set_attempt(row.metadata.attempt() + 1);
}

// Why an operation cannot go on after the restart; OK when it can. Of the row alone: its request is
// looked at when its turn comes, since that may be what ends the process.
absl::Status OperationManager::State::WhyOver(const OperationRow& row, bool was_running) const {
  if (row.metadata.cancel_requested()) {
    return absl::CancelledError("cancelled; the service was restarted meanwhile");
  }
  const auto stage = stages.find(row.stage);
  if (stage == stages.end()) {
    return absl::UnimplementedError(
        absl::StrCat("this service does not offer the stage '", row.stage, "' any more"));
  }
  if (was_running && !stage->second.resumable) {
    return worker::WithReason(absl::AbortedError("the service was restarted in the middle of this "
                                                 "operation; start it again"),
                              "OPERATION_INTERRUPTED");
  }
  // Not of a code that is retried by itself.
  if (row.deaths >= kMostDeaths) {
    return worker::WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "the service died ", row.deaths, " times while this operation worked, so it is not begun "
            "again; its input or a lack of memory or disk may be why; the service's log and the "
            "system's say more. Start it again once the cause is known to be gone")),
        "SERVICE_CRASHED", {{"deaths", absl::StrCat(row.deaths)}});
  }
  if (row.key_kind == KeyKind::kLiteral) {
    return worker::WithReason(
        absl::FailedPreconditionError(
            "the service was restarted, and the key, which was given itself, was kept in memory "
            "only; start again, or name the key as env:NAME or file:PATH"),
        kKeyLost);
  }
  return absl::OkStatus();
}

void OperationManager::State::Quarantine(OperationRow row) {
  LogError("row is damaged; its operation ends and its content is left as it is",
           {{"job", NameOf(row.id)}, {"damage", row.damage}});
  row.kept_from_us = RetentionMicros();
  LogIfFailed(store->Quarantine(row));
}

}  // namespace trainyard::service
