#include "libs/service/operations.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <list>
#include <random>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/key.h"
#include "libs/service/operation_store.h"
#include "libs/service/threads.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using Metadata = v1::OperationMetadata;

constexpr absl::Duration kTick = absl::Milliseconds(200);
constexpr absl::Duration kLease = absl::Seconds(15);
constexpr absl::Duration kRenewInterval = absl::Seconds(5);
constexpr absl::Duration kPurgeInterval = absl::Hours(1);
constexpr absl::Duration kNotifyInterval = absl::Milliseconds(100);
constexpr absl::Duration kPersistInterval = absl::Seconds(2);
constexpr absl::Duration kCancelGrace = absl::Milliseconds(1500);
constexpr absl::Duration kDrainGrace = absl::Seconds(10);
constexpr absl::Duration kQueueRetry = absl::Seconds(2);
// Sequences given out since the last write to the disk, at most; a restart skips that many.
constexpr int64_t kSequenceReserve = 1024;
constexpr int kMostWarnings = 50;
constexpr size_t kMostRequestIdBytes = 36;
constexpr int kDefaultPage = 50;
constexpr int kMostPage = 1000;
constexpr char kRedactedKey[] = "[redacted]";

void SetTime(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t micros = absl::ToUnixMicros(time);
  timestamp->set_seconds(micros / 1000000);
  timestamp->set_nanos(static_cast<int>(micros % 1000000) * 1000);
}

// Ordered by time, and not to be guessed: 12 hex digits of milliseconds, 8 at random.
std::string NewId() {
  std::random_device random;
  return absl::StrFormat("%012x%08x", absl::ToUnixMillis(absl::Now()), random());
}

// --- Requests of all stages, by the names of their common fields ---

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* FieldOf(const Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

std::string RequestIdOf(const Message& request) {
  const FieldDescriptor* field = FieldOf(request, "request_id");
  return field == nullptr ? "" : request.GetReflection()->GetString(request, field);
}

bool IsValidateOnly(const Message& request) {
  const FieldDescriptor* field = FieldOf(request, "validate_only");
  return field != nullptr && request.GetReflection()->GetBool(request, field);
}

std::string KeyOf(const Message& request) {
  const FieldDescriptor* stage = FieldOf(request, "stage");
  if (stage == nullptr || !request.GetReflection()->HasField(request, stage)) return "";
  const Message& input = request.GetReflection()->GetMessage(request, stage);
  const FieldDescriptor* key = FieldOf(input, "key");
  return key == nullptr ? "" : input.GetReflection()->GetString(input, key);
}

void SetKey(Message* request, const std::string& value) {
  const FieldDescriptor* stage = FieldOf(*request, "stage");
  if (stage == nullptr || !request->GetReflection()->HasField(*request, stage)) return;
  Message* input = request->GetReflection()->MutableMessage(request, stage);
  const FieldDescriptor* key = FieldOf(*input, "key");
  if (key != nullptr) input->GetReflection()->SetString(input, key, value);
}

void ClearField(Message* message, const char* name) {
  const FieldDescriptor* field = FieldOf(*message, name);
  if (field != nullptr) message->GetReflection()->ClearField(message, field);
}

std::string DeterministicBytes(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// A request taken apart: what may be stored, and what may not.
struct Taken {
  std::unique_ptr<Message> stored;
  std::string key;
  KeyKind key_kind = KeyKind::kNone;
  std::string request_id;
  std::string digest;
};

Taken TakeApart(const Message& request) {
  Taken taken;
  taken.stored.reset(request.New());
  taken.stored->CopyFrom(request);
  taken.request_id = RequestIdOf(request);
  taken.key = KeyOf(request);
  ClearField(taken.stored.get(), "request_id");
  ClearField(taken.stored.get(), "validate_only");
  SetKey(taken.stored.get(), "");
  taken.digest = Sha256Hex(DeterministicBytes(*taken.stored));
  if (taken.key.empty()) return taken;
  const bool reference = IsKeyReference(taken.key);
  taken.key_kind = reference ? KeyKind::kReference : KeyKind::kLiteral;
  SetKey(taken.stored.get(), reference ? taken.key : kRedactedKey);
  return taken;
}

// --- Lists ---

struct Filter {
  std::string stage;
  Metadata::State state = Metadata::STATE_UNSPECIFIED;
};

absl::StatusOr<Filter> ParseFilter(const std::string& text) {
  Filter filter;
  if (text.empty()) return filter;
  for (absl::string_view term : absl::StrSplit(text, " AND ")) {
    const std::vector<std::string> sides = absl::StrSplit(term, absl::MaxSplits('=', 1));
    const std::string name(absl::StripAsciiWhitespace(sides[0]));
    const std::string value(sides.size() == 2 ? absl::StripAsciiWhitespace(sides[1]) : "");
    if (name == "stage" && !value.empty()) {
      filter.stage = value;
    } else if (name != "state" || !Metadata::State_Parse(value, &filter.state)) {
      return absl::InvalidArgumentError(
          absl::StrCat("filter '", text, "': '", term,
                       "' is not understood; expected stage=NAME, state=NAME, joined by AND"));
    }
  }
  return filter;
}

// A token is a position and the digest of what it was made for.
std::string PageToken(const OperationRow& last, const std::string& arguments) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(Sha256Hex(arguments).substr(0, 16), ":", last.create_us, ":", last.id));
}

absl::Status ReadPageToken(const std::string& token, const std::string& arguments,
                           OperationStore::Query* query) {
  std::string plain;
  std::vector<std::string> parts;
  if (absl::WebSafeBase64Unescape(token, &plain)) parts = absl::StrSplit(plain, ':');
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &query->before_create_us) ||
      parts[0] != Sha256Hex(arguments).substr(0, 16)) {
    return absl::InvalidArgumentError(
        "page_token is not one that this list gave for the same name and filter");
  }
  query->before_id = parts[2];
  return absl::OkStatus();
}

Operation ProtoOf(const OperationRow& row, const std::string& name) {
  Operation operation;
  operation.set_name(name);
  operation.mutable_metadata()->PackFrom(row.metadata);
  operation.set_done(IsFinal(row.metadata.state()));
  if (row.response.has_value()) operation.mutable_response()->PackFrom(*row.response);
  if (row.error.has_value()) *operation.mutable_error() = *row.error;
  return operation;
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

}  // namespace

// An operation that has not ended. The row's metadata is the truth; the store follows it.
class OperationRecord {
 public:
  OperationRecord(OperationStore* store, std::string name) : store_(store), name_(std::move(name)) {}

  Operation Proto() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return ProtoOf(row_, name_);
  }

  // Applies a change of the metadata that need not be on the disk at once.
  template <typename Change>
  void Touch(Change change) {
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

  // Applies a change of the row and stores it before it returns.
  template <typename Change>
  absl::Status Write(Change change) {
    absl::Status status;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (IsFinal(row_.metadata.state())) return absl::OkStatus();
      change(row_);
      row_.metadata.set_sequence(row_.metadata.sequence() + 1);
      status = PersistLocked();
    }
    Notify();
    return status;
  }

  void PersistIfStale() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (dirty_ && absl::Now() - persisted_ >= kPersistInterval) PersistLocked().IgnoreError();
  }

  void Notify() {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      notified_ = absl::Now();
      for (const auto& [id, call] : subscribers_) calls.push_back(call);
    }
    for (const auto& call : calls) call();
  }

  int AddSubscriber(std::function<void()> call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    subscribers_.emplace(++last_subscriber_, std::move(call));
    return last_subscriber_;
  }
  void RemoveSubscriber(int id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    subscribers_.erase(id);
  }

  const std::string& name() const { return name_; }
  OperationRow Row() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return row_;
  }

  // Set before the record is shared.
  const Stage* stage_ = nullptr;
  StageRun run_;
  std::string key_;
  std::stop_source stop_;
  OperationRow row_;  // guarded by mutex_ once shared

 private:
  friend class OperationContext;
  absl::Status PersistLocked() {
    const absl::Status status = store_->Update(row_);
    if (!status.ok()) {
      LogError("operation cannot be stored", {{"job", name_}, {"error", status.ToString()}});
    }
    dirty_ = false;
    persisted_ = absl::Now();
    persisted_sequence_ = row_.metadata.sequence();
    return status;
  }

  OperationStore* store_;
  const std::string name_;
  std::mutex mutex_;
  bool dirty_ = false;
  absl::Time persisted_ = absl::InfinitePast(), notified_ = absl::InfinitePast();
  int64_t persisted_sequence_ = 0;
  std::map<int, std::function<void()>> subscribers_;
  int last_subscriber_ = 0;
  // For the rate: where the counting began.
  absl::Time counted_since_ = absl::InfinitePast();
  double counted_from_ = 0;
  std::string counted_unit_;
};

class OperationManager::Subscription {
 public:
  Subscription(std::shared_ptr<OperationRecord> record, std::function<void()> changed)
      : record_(std::move(record)), id_(record_->AddSubscriber(std::move(changed))) {}
  ~Subscription() { record_->RemoveSubscriber(id_); }

 private:
  std::shared_ptr<OperationRecord> record_;
  int id_;
};

// --- OperationContext ---

OperationContext::OperationContext(std::shared_ptr<OperationRecord> record, std::stop_token stop,
                                   std::string key, int threads, std::string scratch_dir)
    : record_(std::move(record)), name_(record_->name_), id_(record_->Row().id),
      stop_(std::move(stop)), key_(std::move(key)), threads_(threads),
      scratch_dir_(std::move(scratch_dir)) {}

int OperationContext::attempt() const { return record_->Row().metadata.attempt(); }

absl::Status OperationContext::CheckStop() const {
  if (!stop_.stop_requested()) return absl::OkStatus();
  return absl::CancelledError("stopped on request");
}

absl::StatusOr<std::string> OperationContext::ScratchDir() {
  TY_RETURN_IF_ERROR(MakeFolders(scratch_dir_));
  return scratch_dir_;
}

void OperationContext::Progress(double done, double total, absl::string_view unit,
                                absl::string_view message) {
  const absl::Time now = absl::Now();
  record_->Touch([&](Metadata& metadata) {
    OperationRecord& record = *record_;
    if (record.counted_unit_ != unit || done < record.counted_from_ ||
        record.counted_since_ == absl::InfinitePast()) {
      record.counted_unit_ = std::string(unit);
      record.counted_from_ = done;
      record.counted_since_ = now;
    }
    const double seconds = absl::ToDoubleSeconds(now - record.counted_since_);
    const double rate = seconds > 0 ? (done - record.counted_from_) / seconds : 0;
    v1::Progress& progress = *metadata.mutable_progress();
    progress.set_done(done);
    progress.set_total(total);
    progress.set_unit(std::string(unit));
    progress.set_message(Redact(message));
    progress.set_rate(rate);
    progress.set_eta_seconds(rate > 0 && total >= done ? (total - done) / rate : -1);
  });
}

void OperationContext::Report(const v1::Progress& progress) {
  record_->Touch([&](Metadata& metadata) {
    *metadata.mutable_progress() = progress;
    metadata.mutable_progress()->set_message(Redact(progress.message()));
  });
}

void OperationContext::ReportMetrics(absl::Span<const v1::Metric> metrics) {
  record_->Touch([&](Metadata& metadata) {
    for (const v1::Metric& metric : metrics) {
      auto* known = metadata.mutable_metrics();
      const auto same = std::find_if(known->begin(), known->end(), [&](const v1::Metric& other) {
        return other.name() == metric.name() && other.class_name() == metric.class_name();
      });
      *(same == known->end() ? known->Add() : &*same) = metric;
    }
  });
}

void OperationContext::Warn(const absl::Status& status) {
  if (status.ok()) return;
  LogWarning("operation goes on after a problem",
             {{"job", name_}, {"problem", std::string(status.message())}});
  record_->Touch([&](Metadata& metadata) {
    if (metadata.warnings_size() < kMostWarnings) *metadata.add_warnings() = RpcStatusFrom(status);
  });
}

void OperationContext::SetWorker(absl::string_view worker) {
  record_->Touch([&](Metadata& metadata) { metadata.set_worker(std::string(worker)); });
}
void OperationContext::SetLogUri(absl::string_view uri) {
  record_->Touch([&](Metadata& metadata) { metadata.set_log_uri(std::string(uri)); });
}
void OperationContext::SetTensorboardUri(absl::string_view uri) {
  record_->Touch([&](Metadata& metadata) { metadata.set_tensorboard_uri(std::string(uri)); });
}
void OperationContext::SetResumeUri(absl::string_view uri) {
  record_->Touch([&](Metadata& metadata) { metadata.set_resume_uri(std::string(uri)); });
}

int64_t OperationContext::epoch() const { return record_->Row().epoch; }
int64_t OperationContext::first_epoch() const { return record_->Row().first_epoch; }
std::string OperationContext::job_dir() const { return record_->Row().job_dir; }

absl::Status OperationContext::SetJob(const std::string& job_dir, int64_t epoch) {
  return record_->Write([&](OperationRow& row) {
    if (row.job_dir != job_dir || row.first_epoch == 0) row.first_epoch = epoch;
    row.job_dir = job_dir;
    row.epoch = epoch;
  });
}

absl::Duration OperationContext::stop_grace() const {
  return record_->Row().metadata.cancel_requested() ? kCancelGrace : kDrainGrace;
}

void OperationContext::NextAttempt() {
  const absl::Status status = record_->Write(
      [](OperationRow& row) { row.metadata.set_attempt(row.metadata.attempt() + 1); });
  if (!status.ok()) LogError("attempt cannot be stored", {{"job", name_}});
}

// --- OperationManager ---

namespace {

std::string ScratchDirOf(const OperationManager::Options& options, const std::string& id) {
  return JoinPath(options.state_dir, absl::StrCat("operations/", id));
}

}  // namespace

// Lock order: State::mutex before a record's.
struct OperationManager::State {
  std::unique_ptr<OperationStore> store;
  std::string owner;
  std::map<std::string, Stage> stages;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::string address;
  bool begun = false;
  bool draining = false;
  bool ended = false;
  std::map<std::string, std::shared_ptr<OperationRecord>> live;
  // By lane.
  std::map<std::string, std::deque<std::shared_ptr<OperationRecord>>> waiting;
  std::map<std::string, int> running;
  std::list<std::thread> working;
  std::list<std::thread> finished;
  std::thread ticker;

  size_t WaitingLocked() const {
    size_t count = 0;
    for (const auto& [lane, queue] : waiting) count += queue.size();
    return count;
  }
  int RunningLocked() const {
    int count = 0;
    for (const auto& [lane, n] : running) count += n;
    return count;
  }
  int64_t LeaseEnd() const { return absl::ToUnixMicros(absl::Now() + kLease); }

  void ClaimLocked(const Options& options);
  void Work(const std::list<std::thread>::iterator& self, const Options& options,
            const std::shared_ptr<OperationRecord>& record);
  void End(const std::shared_ptr<OperationRecord>& record,
           const absl::StatusOr<v1::StageResult>& result);
  void Finish(const std::shared_ptr<OperationRecord>& record,
              const absl::StatusOr<v1::StageResult>& result);
  void TakeUp(OperationRow row, const Options& options, const std::string& name);
  absl::Status PrepareAgain(OperationRecord& record);
  absl::Status Purge(const Options& options, absl::Time before);
  void Tick(const Options& options);
};

// Starts waiting operations while their lanes have room.
void OperationManager::State::ClaimLocked(const Options& options) {
  if (!begun || draining) return;
  for (auto& [lane, queue] : waiting) {
    while (!queue.empty() && running[lane] < options.max_running) {
      const std::shared_ptr<OperationRecord> record = std::move(queue.front());
      queue.pop_front();
      ++running[lane];
      const auto self = working.emplace(working.end());
      *self = std::thread([this, self, &options, record] { Work(self, options, record); });
    }
  }
}

void OperationManager::State::Work(const std::list<std::thread>::iterator& self,
                                   const Options& options,
                                   const std::shared_ptr<OperationRecord>& record) {
  const absl::Status begun_status = record->Write([](OperationRow& row) {
    // A cancel that came between the claim and now is seen by the stop token.
    if (!row.metadata.cancel_requested()) row.metadata.set_state(Metadata::RUNNING);
    SetTime(absl::Now(), row.metadata.mutable_start_time());
  });
  const OperationRow row = record->Row();
  LogInfo("operation begins", {{"job", record->name()}, {"stage", row.stage},
                               {"attempt", row.metadata.attempt()}});
  const int budget = options.threads > 0 ? options.threads : ThreadBudget();
  OperationContext context(record, record->stop_.get_token(), record->key_,
                           std::max(1, budget / std::max(1, options.max_running)),
                           ScratchDirOf(options, row.id));
  absl::StatusOr<v1::StageResult> result =
      begun_status.ok() ? RunGuarded(record->run_, context) : begun_status;
  End(record, result);

  const std::lock_guard<std::mutex> lock(mutex);
  --running[record->stage_->lane];
  finished.splice(finished.end(), working, self);
  ClaimLocked(options);
  changed.notify_all();
}

// Decides what the end of the work means.
void OperationManager::State::End(const std::shared_ptr<OperationRecord>& record,
                                  const absl::StatusOr<v1::StageResult>& result) {
  bool drained;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    drained = draining;
  }
  const OperationRow row = record->Row();
  if (drained && absl::IsCancelled(result.status()) && !row.metadata.cancel_requested()) {
    // The row stays as it is: the next process takes it up.
    LogInfo("operation is left for the next process", {{"job", record->name()}});
    record->PersistIfStale();
    record->Notify();
    return;
  }
  Finish(record, result);
}

// Makes the state final. The only place that does.
void OperationManager::State::Finish(const std::shared_ptr<OperationRecord>& record,
                                     const absl::StatusOr<v1::StageResult>& result) {
  Metadata::State state = Metadata::SUCCEEDED;
  const absl::Status stored = record->Write([&](OperationRow& row) {
    if (result.ok()) {
      row.response = *result;
      for (const v1::Metric& metric : result->metrics()) {
        auto* known = row.metadata.mutable_metrics();
        const auto same = std::find_if(known->begin(), known->end(), [&](const v1::Metric& other) {
          return other.name() == metric.name() && other.class_name() == metric.class_name();
        });
        *(same == known->end() ? known->Add() : &*same) = metric;
      }
    } else {
      const bool cancelled =
          absl::IsCancelled(result.status()) && row.metadata.cancel_requested();
      state = cancelled ? Metadata::CANCELLED : Metadata::FAILED;
      row.error = RpcStatusFrom(result.status());
    }
    row.metadata.set_state(state);
    SetTime(absl::Now(), row.metadata.mutable_end_time());
  });
  const OperationRow row = record->Row();
  const int64_t elapsed_ms = row.metadata.end_time().seconds() * 1000 +
                             row.metadata.end_time().nanos() / 1000000 - row.create_us / 1000;
  if (state == Metadata::FAILED) {
    LogWarning("operation failed", {{"job", record->name()}, {"stage", row.stage},
                                    {"elapsed_ms", elapsed_ms},
                                    {"error", result.status().ToString()}});
  } else {
    LogInfo(state == Metadata::SUCCEEDED ? "operation succeeded" : "operation cancelled",
            {{"job", record->name()}, {"stage", row.stage}, {"elapsed_ms", elapsed_ms}});
  }
  // What could not be stored stays in memory, so that the caller at least sees it.
  if (!stored.ok()) return;
  const std::lock_guard<std::mutex> lock(mutex);
  live.erase(row.id);
}

// Makes the work of a stored row anew.
absl::Status OperationManager::State::PrepareAgain(OperationRecord& record) {
  const OperationRow& row = record.row_;
  if (record.stage_ == nullptr) {
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
  std::unique_ptr<Message> request(record.stage_->prototype->New());
  if (!request->ParseFromString(row.request)) {
    return absl::DataLossError("the stored request cannot be read");
  }
  TY_ASSIGN_OR_RETURN(record.key_, ResolveKey(KeyOf(*request)));
  TY_ASSIGN_OR_RETURN(record.run_, record.stage_->prepare(*request));
  return absl::OkStatus();
}

// Goes on with an operation of a process that is gone.
void OperationManager::State::TakeUp(OperationRow row, const Options& options,
                                     const std::string& name) {
  const absl::Status taken = store->TakeOver(row.id, owner, LeaseEnd());
  if (!taken.ok()) {
    LogError("operation cannot be taken over", {{"job", name}, {"error", taken.ToString()}});
    return;
  }
  row.owner = owner;
  const bool was_running = row.metadata.state() != Metadata::PENDING;
  auto record = std::make_shared<OperationRecord>(store.get(), name);
  record->row_ = std::move(row);
  const auto stage = stages.find(record->row_.stage);
  record->stage_ = stage == stages.end() ? nullptr : &stage->second;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    live[record->row_.id] = record;
    record->row_.metadata.set_owner_address(address);
    record->row_.metadata.set_sequence(record->row_.metadata.sequence() + kSequenceReserve);
  }
  if (record->row_.metadata.cancel_requested()) {
    return Finish(record, absl::CancelledError("cancelled; the service was restarted meanwhile"));
  }
  if (was_running && record->stage_ != nullptr && !record->stage_->resumable) {
    return Finish(record, WithReason(absl::AbortedError("the service was restarted in the middle of "
                                                        "this operation; start it again"),
                                     "OPERATION_INTERRUPTED"));
  }
  const absl::Status prepared = PrepareAgain(*record);
  if (!prepared.ok()) {
    return Finish(record, Annotate(prepared, "cannot go on after a restart"));
  }
  const absl::Status stored = record->Write([was_running](OperationRow& stale) {
    stale.metadata.set_state(Metadata::PENDING);
    stale.metadata.clear_worker();
    if (was_running) stale.metadata.set_attempt(stale.metadata.attempt() + 1);
  });
  if (!stored.ok()) return;
  LogInfo("operation is taken up again", {{"job", name}, {"was_running", was_running}});
  const std::lock_guard<std::mutex> lock(mutex);
  waiting[record->stage_->lane].push_back(record);
  ClaimLocked(options);
}

absl::Status OperationManager::State::Purge(const Options& options, absl::Time before) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                      store->DeleteEndedBefore(absl::ToUnixMicros(before)));
  for (const std::string& id : ids) TY_RETURN_IF_ERROR(RemoveTree(ScratchDirOf(options, id)));
  return absl::OkStatus();
}

// Renews leases, stores progress, wakes subscribers, joins threads, forgets what is old.
void OperationManager::State::Tick(const Options& options) {
  absl::Time renewed = absl::Now(), purged = absl::InfinitePast();
  std::unique_lock<std::mutex> lock(mutex);
  while (!ended) {
    changed.wait_for(lock, absl::ToChronoNanoseconds(kTick), [this] { return ended; });
    std::vector<std::shared_ptr<OperationRecord>> records;
    for (const auto& [id, record] : live) records.push_back(record);
    std::list<std::thread> joinable;
    joinable.swap(finished);
    lock.unlock();
    for (std::thread& thread : joinable) thread.join();
    for (const auto& record : records) {
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
      status.Update(Purge(options, now - options.retention));
      purged = now;
    }
    if (!status.ok()) LogError("housekeeping of operations failed", {{"error", status.ToString()}});
    lock.lock();
  }
}

OperationManager::OperationManager(Options options, std::unique_ptr<OperationStore> store)
    : options_(std::move(options)), state_(std::make_unique<State>()) {
  state_->store = std::move(store);
  state_->owner = absl::StrCat(options_.replica, "/", NewId());
}

absl::StatusOr<std::unique_ptr<OperationManager>> OperationManager::Create(Options options) {
  Problems problems;
  const auto check_part = [&problems](const char* field, const std::string& value) {
    const bool plain = !value.empty() && value.find_first_of("/ \t\n") == std::string::npos;
    if (!plain) problems.Add(field, "is '%s'; expected a name without slashes or spaces", value);
  };
  check_part("service", options.service);
  check_part("replica", options.replica);
  if (options.state_dir.empty()) problems.Add("state_dir", "is not set");
  if (options.max_running < 1) problems.Add("max_running", "is %d; expected at least 1", options.max_running);
  if (options.max_queue < 0) problems.Add("max_queue", "is %d; expected at least 0", options.max_queue);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  TY_ASSIGN_OR_RETURN(auto store, OperationStore::Open(options.state_dir));
  return std::unique_ptr<OperationManager>(
      new OperationManager(std::move(options), std::move(store)));
}

OperationManager::~OperationManager() {
  Drain();
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->ended = true;
  }
  state_->changed.notify_all();
  if (state_->ticker.joinable()) state_->ticker.join();
  for (std::thread& thread : state_->finished) thread.join();
}

void OperationManager::AddStage(Stage stage) {
  const std::string name = stage.name;
  state_->stages.emplace(name, std::move(stage));
}

absl::Status OperationManager::Begin(const std::string& address) {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->address = address;
    state_->begun = true;
  }
  TY_ASSIGN_OR_RETURN(std::vector<OperationRow> rows, state_->store->Unfinished());
  for (OperationRow& row : rows) {
    {
      // Started by a call since this process began.
      const std::lock_guard<std::mutex> lock(state_->mutex);
      if (state_->live.count(row.id) > 0) continue;
    }
    const std::string name = NameOf(row.id);
    state_->TakeUp(std::move(row), options_, name);
  }
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->ClaimLocked(options_);
  state_->ticker = std::thread([this] { state_->Tick(options_); });
  return absl::OkStatus();
}

std::string OperationManager::NameOf(absl::string_view id) const {
  return absl::StrCat("operations/", options_.service, "/", options_.replica, "/", id);
}

namespace {

// What a validate_only answers when a call's status could not hold all of it.
absl::StatusOr<Operation> Checked(const absl::Status& status) {
  Operation operation;
  operation.set_done(true);
  if (status.ok()) {
    operation.mutable_response()->PackFrom(v1::StageResult());
    return operation;
  }
  const RpcStatusLimits whole{.detail_bytes = size_t{1} << 20, .message_bytes = size_t{1} << 20};
  const google::rpc::Status full = RpcStatusFrom(status, whole);
  if (ProblemsFrom(status).empty() || full.ByteSizeLong() <= RpcStatusLimits().detail_bytes) {
    return status;
  }
  *operation.mutable_error() = full;
  return operation;
}

absl::Status Busy(absl::string_view what, absl::string_view reason) {
  return WithRetry(WithReason(absl::UnavailableError(what), reason), kQueueRetry);
}

}  // namespace

absl::StatusOr<Operation> OperationManager::Start(const std::string& stage_name,
                                                  const Message& request) {
  const auto stage = state_->stages.find(stage_name);
  if (stage == state_->stages.end()) {
    return absl::UnimplementedError(
        absl::StrCat("service '", options_.service, "' does not offer the stage '", stage_name, "'"));
  }
  Taken taken = TakeApart(request);
  if (taken.request_id.size() > kMostRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", taken.request_id.size(),
                                                   " bytes; expected at most ", kMostRequestIdBytes));
  }
  if (IsValidateOnly(request)) {
    absl::Status checked = ResolveKey(taken.key).status();
    if (checked.ok()) checked = stage->second.prepare(*taken.stored).status();
    return Checked(checked);
  }
  // Before the checks: what made them pass may have changed since the first call.
  TY_ASSIGN_OR_RETURN(const auto same, state_->store->FindRequest(stage_name, taken.request_id,
                                                                  taken.digest));
  if (same.has_value()) return Get(NameOf(same->id));
  if (draining()) return Busy("the service drains; ask again", "DRAINING");

  TY_ASSIGN_OR_RETURN(std::string key, ResolveKey(taken.key));
  TY_ASSIGN_OR_RETURN(StageRun run, stage->second.prepare(*taken.stored));

  const absl::Time now = absl::Now();
  OperationRow row;
  row.id = NewId();
  row.stage = stage_name;
  row.request = DeterministicBytes(*taken.stored);
  row.key_kind = taken.key_kind;
  row.request_id = taken.request_id;
  row.request_digest = taken.digest;
  row.owner = state_->owner;
  row.lease_until_us = state_->LeaseEnd();
  row.create_us = absl::ToUnixMicros(now);
  row.metadata.set_state(Metadata::PENDING);
  row.metadata.set_stage(stage_name);
  row.metadata.set_attempt(1);
  row.metadata.set_sequence(1);
  row.metadata.set_input_digest(taken.digest);
  SetTime(now, row.metadata.mutable_create_time());
  const std::string name = NameOf(row.id);
  auto record = std::make_shared<OperationRecord>(state_->store.get(), name);
  record->stage_ = &stage->second;
  record->run_ = std::move(run);
  record->key_ = std::move(key);

  std::optional<OperationRow> other;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const auto lane = state_->running.find(stage->second.lane);
    const int running = lane == state_->running.end() ? 0 : lane->second;
    if (state_->draining) return Busy("the service drains; ask again", "DRAINING");
    if (running >= options_.max_running &&
        static_cast<int>(state_->WaitingLocked()) >= options_.max_queue) {
      return Busy(absl::StrCat("the queue is full: ", state_->RunningLocked(), " operations work and ",
                               state_->WaitingLocked(), " wait, as many as are allowed"),
                  "QUEUE_FULL");
    }
    row.metadata.set_owner_address(state_->address);
    TY_ASSIGN_OR_RETURN(other, state_->store->Insert(row));
    if (!other.has_value()) {
      record->row_ = row;
      state_->live[row.id] = record;
      state_->waiting[stage->second.lane].push_back(record);
    }
  }
  if (other.has_value()) return Get(NameOf(other->id));
  LogInfo("operation stored", {{"job", name}, {"stage", stage_name}});
  const Operation started = record->Proto();
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->ClaimLocked(options_);
  return started;
}

namespace {

// The id in a name of this replica; a redirect for one of another replica.
absl::StatusOr<std::string> IdIn(const std::string& name, const OperationManager::Options& options) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  const bool whole = parts.size() == 4 && parts[0] == "operations" && !parts[2].empty() &&
                     !parts[3].empty();
  if (!whole) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' is no operation; expected operations/SERVICE/REPLICA/ID"));
  }
  if (parts[1] != options.service) {
    return absl::NotFoundError(absl::StrCat("operation '", name, "' belongs to the service '", parts[1],
                                            "'; this is '", options.service, "'"));
  }
  if (parts[2] == options.replica) return parts[3];
  std::map<std::string, std::string> metadata = {{"replica", parts[2]}};
  const std::string owner = options.find_peer ? options.find_peer(parts[2]) : "";
  if (!owner.empty()) metadata["owner"] = owner;
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "operation '", name, "' is owned by replica '", parts[2], "'",
                        owner.empty() ? "" : absl::StrCat(" at ", owner), "; ask there")),
                    "WRONG_REPLICA", metadata);
}

}  // namespace

absl::StatusOr<Operation> OperationManager::Get(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  std::shared_ptr<OperationRecord> record;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const auto found = state_->live.find(id);
    if (found != state_->live.end()) record = found->second;
  }
  if (record != nullptr) return record->Proto();
  TY_ASSIGN_OR_RETURN(const OperationRow row, state_->store->Get(id));
  return ProtoOf(row, name);
}

absl::StatusOr<google::longrunning::ListOperationsResponse> OperationManager::List(
    const google::longrunning::ListOperationsRequest& request) {
  if (request.page_size() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", request.page_size(), "; expected at least 0"));
  }
  const std::string service = absl::StrCat("operations/", options_.service);
  const std::string& parent = request.name();
  if (!parent.empty() && parent != "operations" && parent != service &&
      parent != absl::StrCat(service, "/", options_.replica)) {
    return absl::InvalidArgumentError(
        absl::StrCat("name is '", parent, "'; expected '", service, "/", options_.replica, "' or ''"));
  }
  TY_ASSIGN_OR_RETURN(const Filter filter, ParseFilter(request.filter()));
  OperationStore::Query query{.stage = filter.stage, .state = filter.state};
  const std::string arguments = absl::StrCat(parent, "\n", request.filter());
  if (!request.page_token().empty()) {
    TY_RETURN_IF_ERROR(ReadPageToken(request.page_token(), arguments, &query));
  }
  const int page = request.page_size() == 0 ? kDefaultPage : std::min(request.page_size(), kMostPage);
  query.limit = page + 1;
  TY_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows, state_->store->List(query));
  google::longrunning::ListOperationsResponse response;
  for (const OperationRow& row : rows) {
    if (response.operations_size() == page) {
      response.set_next_page_token(PageToken(rows[static_cast<size_t>(page) - 1], arguments));
      break;
    }
    // The store may be a little behind what works now.
    const auto operation = Get(NameOf(row.id));
    *response.add_operations() = operation.ok() ? *operation : ProtoOf(row, NameOf(row.id));
  }
  return response;
}

absl::Status OperationManager::Cancel(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  std::shared_ptr<OperationRecord> record;
  bool was_waiting = false;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    const auto found = state_->live.find(id);
    if (found == state_->live.end()) return state_->store->Get(id).status();
    record = found->second;
    for (auto& [lane, queue] : state_->waiting) {
      const auto place = std::find(queue.begin(), queue.end(), record);
      if (place == queue.end()) continue;
      queue.erase(place);
      was_waiting = true;
    }
  }
  LogInfo("cancel requested", {{"job", name}});
  TY_RETURN_IF_ERROR(record->Write([was_waiting](OperationRow& row) {
    row.metadata.set_cancel_requested(true);
    if (!was_waiting) row.metadata.set_state(Metadata::CANCELLING);
  }));
  record->stop_.request_stop();
  if (was_waiting) state_->Finish(record, absl::CancelledError("cancelled before it began"));
  return absl::OkStatus();
}

absl::Status OperationManager::Delete(const std::string& name) {
  TY_ASSIGN_OR_RETURN(const std::string id, IdIn(name, options_));
  TY_RETURN_IF_ERROR(state_->store->Delete(id));
  return RemoveTree(ScratchDirOf(options_, id));
}

std::shared_ptr<OperationManager::Subscription> OperationManager::Subscribe(
    const std::string& name, std::function<void()> changed) {
  const auto id = IdIn(name, options_);
  if (!id.ok()) return nullptr;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  const auto found = state_->live.find(*id);
  if (found == state_->live.end()) return nullptr;
  return std::make_shared<Subscription>(found->second, std::move(changed));
}

void OperationManager::Drain() {
  std::vector<std::shared_ptr<OperationRecord>> records;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->draining = true;
    for (const auto& [id, record] : state_->live) records.push_back(record);
  }
  for (const auto& record : records) record->stop_.request_stop();
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->working.empty(); });
  }
  for (const auto& record : records) record->Notify();
}

bool OperationManager::draining() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->draining;
}

}  // namespace trainyard::service
