#include "libs/service/internal/operation_record.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/log.h"
#include "libs/worker/utf8_message.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

constexpr absl::Duration kNotifyInterval = absl::Milliseconds(100);
constexpr absl::Duration kPersistInterval = absl::Seconds(2);

}  // namespace

Operation ProtoOf(const OperationRow& row, const std::string& name) {
  Operation operation;
  operation.set_name(name);
  operation.mutable_metadata()->PackFrom(row.metadata);
  operation.set_done(IsFinal(row.metadata.state()));
  if (row.response.has_value()) operation.mutable_response()->PackFrom(*row.response);
  if (row.error.has_value()) *operation.mutable_error() = *row.error;
  return operation;
}

void MergeMetric(const v1::Metric& metric, Metadata* metadata) {
  for (v1::Metric& known : *metadata->mutable_metrics()) {
    if (known.name() == metric.name() && known.class_name() == metric.class_name()) {
      known = metric;
      return;
    }
  }
  *metadata->add_metrics() = metric;
}

OperationRecord::OperationRecord(OperationStore* store, std::string name, OperationRow row,
                                 const Stage* stage)
    : store_(store), name_(std::move(name)), id_(row.id), stage_(stage), row_(std::move(row)) {}

OperationRow OperationRecord::Row() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return row_;
}

Operation OperationRecord::Proto() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return ProtoOf(row_, name_);
}

void OperationRecord::SetWork(StageRun run, Key key) {
  run_ = std::move(run);
  key_ = std::move(key);
}

void OperationRecord::Touch(const std::function<void(Metadata&)>& change) {
  bool notify;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (IsFinal(row_.metadata.state())) return;
    change(row_.metadata);
    row_.metadata.set_sequence(row_.metadata.sequence() + 1);
    dirty_ = true;
    if (row_.metadata.sequence() - persisted_sequence_ >= kSequenceReserve) {
      PersistLocked().IgnoreError();  // logged there; the next change tries again
    }
    notify = absl::Now() - notified_ >= kNotifyInterval;
  }
  if (notify) Notify();
}

absl::Status OperationRecord::Write(const std::function<void(OperationRow&)>& change) {
  absl::Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (IsFinal(row_.metadata.state())) return absl::OkStatus();
    change(row_);
    MakeUtf8(row_.metadata);
    if (row_.response.has_value()) MakeUtf8(*row_.response);
    row_.metadata.set_sequence(row_.metadata.sequence() + 1);
    status = PersistLocked();
  }
  Notify();
  return status;
}

void OperationRecord::Progress(double done, double total, absl::string_view unit,
                               absl::string_view message) {
  const absl::Time now = absl::Now();
  Touch([&](Metadata& metadata) {
    const bool first = counted_since_ == absl::InfinitePast();
    if (first || counted_unit_ != unit || done < counted_from_) {
      counted_unit_ = std::string(unit);
      counted_from_ = done;
      counted_since_ = now;
    }
    const double seconds = absl::ToDoubleSeconds(now - counted_since_);
    const double rate = seconds > 0 ? (done - counted_from_) / seconds : 0;
    v1::Progress& progress = *metadata.mutable_progress();
    progress.set_done(done);
    progress.set_total(total);
    progress.set_unit(std::string(unit));
    progress.set_message(Redact(message));
    progress.set_rate(rate);
    progress.set_eta_seconds(rate > 0 && total >= done ? (total - done) / rate : -1);
  });
}

void OperationRecord::PersistIfStale() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (dirty_ && absl::Now() - persisted_ >= kPersistInterval) PersistLocked().IgnoreError();
}

absl::Status OperationRecord::PersistLocked() {
  const absl::Status status = store_->Update(row_);
  if (!status.ok()) {
    LogError(
        "operation cannot be stored",
        {{"job", name_}, {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  dirty_ = false;
  persisted_ = absl::Now();
  persisted_sequence_ = row_.metadata.sequence();
  return status;
}

int OperationRecord::AddSubscriber(std::function<void()> call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  subscribers_.emplace(++last_subscriber_, std::move(call));
  return last_subscriber_;
}

void OperationRecord::RemoveSubscriber(int id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  subscribers_.erase(id);
}

void OperationRecord::Notify() {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    notified_ = absl::Now();
    for (const auto& [id, call] : subscribers_) calls.push_back(call);
  }
  for (const auto& call : calls) call();
}

}  // namespace trainyard::service
