#include "libs/service/internal/operation_record.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/worker/utf8_message.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

using std::chrono::steady_clock;

constexpr auto kNotifyInterval = std::chrono::milliseconds(100);
constexpr auto kPersistInterval = std::chrono::seconds(2);
constexpr auto kFirstBackoff = std::chrono::milliseconds(250);
constexpr auto kLongestBackoff = std::chrono::seconds(10);

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

bool OperationRecord::HasNews(int64_t sequence) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return row_.metadata.sequence() > sequence || IsFinal(row_.metadata.state());
}

void OperationRecord::Touch(const std::function<void(Metadata&)>& change) {
  bool notify;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!TakesChangesLocked()) return;
    const auto now = steady_clock::now();
    change(row_.metadata);
    row_.metadata.set_sequence(row_.metadata.sequence() + 1);
    changed_ = true;
    if (!dirty_) store_after_ = now + kPersistInterval;
    dirty_ = true;
    const bool reserve_used =
        row_.metadata.sequence() - persisted_sequence_ >= kSequenceReserve;
    if (reserve_used && (backoff_ == backoff_.zero() || now >= store_after_)) {
      StoreLocked().IgnoreError();  // logged there, and tried again
    }
    notify = now - notified_ >= kNotifyInterval;
  }
  if (notify) Notify();
}

absl::Status OperationRecord::Write(const std::function<void(OperationRow&)>& change) {
  absl::Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!TakesChangesLocked()) return absl::OkStatus();
    change(row_);
    worker::MakeUtf8(row_.metadata);
    row_.metadata.set_sequence(row_.metadata.sequence() + 1);
    status = StoreLocked();
  }
  Notify();
  return status;
}

absl::Status OperationRecord::WriteAndAwait(const std::function<void(OperationRow&)>& change) {
  const absl::Status status = Write(change);
  if (status.ok() || absl::IsAborted(status)) return status;
  std::unique_lock<std::mutex> lock(mutex_);
  stored_.wait(lock, stop_.get_token(), [this] { return !dirty_ || lost_; });
  if (lost_) return absl::AbortedError("another process has this operation now");
  return dirty_ ? absl::CancelledError("stopped while its state could not be stored")
                : absl::OkStatus();
}

absl::StatusOr<bool> OperationRecord::End(const std::function<void(OperationRow&)>& change) {
  absl::Status status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!TakesChangesLocked()) return false;
    end_ = row_;
    change(*end_);
    worker::MakeUtf8(end_->metadata);
    if (end_->response.has_value()) worker::MakeUtf8(*end_->response);
    end_->metadata.set_sequence(row_.metadata.sequence() + 1);
    status = StoreEndLocked();
  }
  if (absl::IsAborted(status)) return status;
  if (status.ok()) Notify();
  return status.ok();
}

bool OperationRecord::StoreLate(bool at_once) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool due = at_once || steady_clock::now() >= store_after_;
    if (!due || lost_ || (!dirty_ && !end_.has_value())) return false;
    if (!end_.has_value()) {
      StoreLocked().IgnoreError();  // logged there, and tried again
      return false;
    }
    StoreEndLocked().IgnoreError();
    if (end_.has_value() && !lost_) return false;
  }
  Notify();
  return true;
}

void OperationRecord::Progress(double done, double total, absl::string_view unit,
                               absl::string_view message) {
  const auto now = steady_clock::now();
  Touch([&](Metadata& metadata) {
    if (!counted_since_.has_value() || counted_unit_ != unit || done < counted_from_) {
      counted_unit_ = std::string(unit);
      counted_from_ = done;
      counted_since_ = now;
    }
    const double seconds = std::chrono::duration<double>(now - *counted_since_).count();
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

absl::Status OperationRecord::StoreLocked() {
  const absl::Status status = store_->Update(row_);
  StoredLocked(status);
  return status;
}

// The row changes only when the store has it: an end that was seen must hold after a crash.
absl::Status OperationRecord::StoreEndLocked() {
  const absl::Status status = store_->Update(*end_);
  if (status.ok()) {
    row_ = *std::move(end_);
    end_.reset();
    changed_ = true;
  }
  StoredLocked(status);
  return status;
}

void OperationRecord::StoredLocked(const absl::Status& status) {
  lost_ = absl::IsAborted(status);
  dirty_ = !status.ok();
  if (status.ok()) {
    backoff_ = backoff_.zero();
    persisted_sequence_ = row_.metadata.sequence();
  } else {
    backoff_ = std::clamp<Clock::duration>(backoff_ * 2, kFirstBackoff, kLongestBackoff);
    store_after_ = steady_clock::now() + backoff_;
    LogError("operation cannot be stored",
             {{"job", name_},
              {"tried_again", !lost_},
              {"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
  stored_.notify_all();
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
    notified_ = steady_clock::now();
    changed_ = false;
    for (const auto& [id, call] : subscribers_) calls.push_back(call);
  }
  for (const auto& call : calls) call();
}

void OperationRecord::NotifyIfChanged() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!changed_) return;
  }
  Notify();
}

}  // namespace trainyard::service
