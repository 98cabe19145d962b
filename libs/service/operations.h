#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/longrunning/operations.pb.h"
#include "google/protobuf/message.h"
#include "libs/service/operation_store.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::service {

using google::longrunning::Operation;

class OperationRecord;
struct Key;
struct TakenRequest;

/// What the work of one operation may use. Its methods are thread-safe.
class OperationContext {
 public:
  /// `operations/<service>/<replica>/<id>`.
  const std::string& name() const { return name_; }
  /// The last part of the name: for `.tmp-<operation>-<epoch>`.
  const std::string& id() const { return id_; }
  /// 1 for the first try.
  int attempt() const;
  /// Requested by a cancel and by a drain: stop soon and return kCancelled. Look at it between
  /// batches, so that a cancel is honoured within 2 s.
  const std::stop_token& stop() const { return stop_; }
  /// kCancelled once stop is requested: `TY_RETURN_IF_ERROR(context.CheckStop())`.
  absl::Status CheckStop() const;
  /// The model key, resolved; "" = none. Never log it.
  const std::string& key() const { return key_; }
  /// Threads that this operation may use in all. >= 1.
  int threads() const { return threads_; }
  /// Bytes of memory that a worker of this operation may have; 0 = no bound.
  int64_t memory() const { return memory_; }
  /// A folder of its own below the service's state folder; made on the first call.
  absl::StatusOr<std::string> ScratchDir();

  /// How far it is; cheap enough for every image. Rate and time to go are worked out here.
  void Progress(double done, double total, absl::string_view unit, absl::string_view message = "");
  /// As Progress, with rate and eta as the worker has them.
  void Report(const v1::Progress& progress);
  /// Replaces the metrics of the same (name, class).
  void ReportMetrics(absl::Span<const v1::Metric> metrics);
  /// Something went wrong that does not end the work. At most 50 are kept.
  void Warn(const absl::Status& status);
  /// For people: "trainyard-train-worker:4711".
  void SetWorker(absl::string_view worker);
  void SetLogUri(absl::string_view uri);
  void SetTensorboardUri(absl::string_view uri);
  /// The checkpoint to go on from, should this operation be interrupted. A new one shows that the work
  /// gets on: deaths of the service before it do not count any more.
  void SetResumeUri(absl::string_view uri);

  /// The fencing epoch of this operation's newest worker in `job_dir`; 0 when there is none. Both are
  /// on the disk when SetJob returns (libs/service/worker_job.h uses them).
  int64_t epoch() const;
  /// The epoch of its first worker there: from it to epoch(), the journal's events are this operation's.
  int64_t first_epoch() const;
  std::string job_dir() const;
  absl::Status SetJob(const std::string& job_dir, int64_t epoch);
  /// One more try of the same operation, after a crash of its worker.
  void NextAttempt();

 private:
  friend class OperationManager;
  OperationContext(std::shared_ptr<OperationRecord> record, std::stop_token stop, std::string key,
                   int threads, int64_t memory, std::string scratch_dir);
  std::shared_ptr<OperationRecord> record_;
  std::string name_, id_;
  std::stop_token stop_;
  std::string key_;
  int threads_;
  int64_t memory_;
  std::string scratch_dir_;
};

/// The work of an operation. Runs on a thread of its own. The status becomes operation.error; the
/// code kCancelled after a requested stop makes the state CANCELLED.
using StageRun = std::function<absl::StatusOr<v1::StageResult>(OperationContext&)>;

/// Why a request is prepared: somebody sent it, or a restarted service takes up its operation, whose
/// earlier work may have left outputs behind.
enum class Occasion { kNew, kTakenUp };

/// A kind of operation that a service offers.
struct Stage {
  /// `train`; the metadata's `stage`.
  std::string name;
  /// The request message, with the fields `stage`, `request_id` and `validate_only` of all stages.
  const google::protobuf::Message* prototype = nullptr;
  /// Checks a request, all of it but the digests of its inputs, and gives the work. Called when the
  /// operation is started, when its status is the call's, and again with the stored request when it is
  /// the turn of an operation that a restarted service took up; its status is the operation's then. The request it gets has no literal key in it: stage.key is then "[redacted]".
  std::function<absl::StatusOr<StageRun>(const google::protobuf::Message& request, Occasion)>
      prepare;
  /// Whether the work may be begun again (or goes on from its checkpoint) after the service died in
  /// the middle of it. Else the operation ends as interrupted.
  bool resumable = true;
  /// Operations of one lane share the running capacity; lanes do not wait for each other, so that
  /// checkpoints can be judged while a training runs.
  std::string lane = "default";
};

/// Makes a Stage from a function on the typed request.
template <typename Request, typename Prepare>
Stage StageOf(std::string name, Prepare prepare) {
  return {.name = std::move(name),
          .prototype = &Request::default_instance(),
          .prepare = [prepare = std::move(prepare)](const google::protobuf::Message& message,
                                                    Occasion) -> absl::StatusOr<StageRun> {
            return prepare(static_cast<const Request&>(message));
          }};
}

/// Runs operations: checks, stores, queues, runs, cancels, and takes them up again after a restart.
/// Names are `operations/<service>/<replica>/<id>`. Thread-safe, but for AddStage.
///
///     PENDING -> RUNNING -> SUCCEEDED | FAILED | CANCELLED
///     PENDING -> CANCELLED, RUNNING -> CANCELLING -> CANCELLED | SUCCEEDED | FAILED
///     RUNNING -> PENDING when a restarted service takes it up again; CANCELLING -> CANCELLED then
///
/// A final state shows, here and to subscribers, once it is stored, and is never left. An operation
/// whose work began three times and took the service with it each time is FAILED with the reason
/// SERVICE_CRASHED; what waits behind it proceeds. A stored row that cannot be read is an operation that
/// is done, with an error of the reason ROW_DAMAGED.
class OperationManager {
 public:
  struct Options {
    std::string service;
    std::string replica = "r1";
    /// The service's own folder: database, lock, scratch folders. Never in a shared workspace.
    std::string state_dir;
    /// Operations of one lane that work at one time, and that wait in all.
    int max_running = 1;
    int max_queue = 64;
    /// Threads shared by the operations of a lane. 0 = ThreadBudget().
    int threads = 0;
    /// What OperationContext::memory() says.
    int64_t job_memory = 0;
    /// Ended operations are forgotten after this (internal/retention_clock.h: not because the wall clock
    /// leaps).
    absl::Duration retention = absl::Hours(24 * 30);
    /// host:port of another replica, or "" when it is not known: to send a caller to the owner of an
    /// operation. Called by any thread; may be empty.
    std::function<std::string(const std::string& replica)> find_peer;
    /// Checks the digests that a stored request gives for its inputs, before its work and on its
    /// thread: kCancelled soon after a stop. May be empty.
    std::function<absl::Status(const google::protobuf::Message& request, const std::stop_token& stop)>
        check_inputs;
    /// For tests. Dates are taken from it; delays are measured by the steady clock.
    std::function<absl::Time()> wall_clock = absl::Now;
  };
  /// Over `store`; without one, over SQLite in `state_dir`. kFailedPrecondition when another process has
  /// it, or the folder is another service's.
  static absl::StatusOr<std::unique_ptr<OperationManager>> Create(
      Options options, std::unique_ptr<OperationStore> store = nullptr);
  /// Drains.
  ~OperationManager();

  /// Before Begin. The names are unique.
  void AddStage(Stage stage);
  /// Takes up what an earlier process left, in one transaction and without a look at the requests, and
  /// begins to work. `address` is what clients reach this replica by.
  absl::Status Begin(const std::string& address);

  /// Checks and stores a request; its work begins when its turn comes. `Request` is a stage's request
  /// message. With validate_only it is only checked, and the operation is done and has no name;
  /// an error that is too long for a call is then its `error`, in full. No message has the key.
  ///
  /// What `prepare` fails with; kInvalidArgument: request_id longer than 36 characters, or used for
  /// another request (reason REQUEST_ID_REUSED); kUnavailable with RetryInfo: the queue is full
  /// (QUEUE_FULL) or the service drains (DRAINING).
  absl::StatusOr<Operation> Start(const std::string& stage,
                                  const google::protobuf::Message& request);

  /// kNotFound: no such operation; kInvalidArgument: no name of an operation; kFailedPrecondition with
  /// reason WRONG_REPLICA (and `owner` = its address when known): another replica has it.
  absl::StatusOr<Operation> Get(const std::string& name);
  /// Damaged rows are left out and named in `unreachable`.
  absl::StatusOr<google::longrunning::ListOperationsResponse> List(
      const google::longrunning::ListOperationsRequest& request);
  /// Asks an operation to stop and returns at once; OK, without effect, when it has ended. When the wish
  /// cannot be stored now, it has its effect all the same, and the status says so.
  absl::Status Cancel(const std::string& name);
  /// kFailedPrecondition while it works or waits.
  absl::Status Delete(const std::string& name);

  /// Calls `changed` soon after every change of the operation, and at a drain, until the returned object
  /// is destroyed; one call may still come then. It must be quick and must not block. nullptr when the
  /// operation has ended or is unknown, as all are before Begin.
  class Subscription;
  std::shared_ptr<Subscription> Subscribe(const std::string& name, std::function<void()> changed);

  /// Stops: nothing new begins, running work is asked to stop, rows stay for the next process unless
  /// the work came to its end. Returns when no work runs; false when some still does after `timeout`.
  /// May be called again.
  bool Drain(absl::Duration timeout = absl::InfiniteDuration());
  bool draining() const;

  class Subscription {
   public:
    ~Subscription();
    /// Whether the operation has a later sequence than this, or has ended: cheaper than Get.
    bool HasNews(int64_t sequence) const;

   private:
    friend class OperationManager;
    Subscription(std::shared_ptr<OperationRecord> record, std::function<void()> changed);
    std::shared_ptr<OperationRecord> record_;
    int id_;
  };

  const Options& options() const { return options_; }
  /// `operations/<service>/<replica>/<id>`.
  std::string NameOf(absl::string_view id) const;

 private:
  struct State;
  absl::StatusOr<Operation> StartTaken(const Stage& stage, const TakenRequest& taken, Key* key);
  OperationManager(Options options, std::unique_ptr<OperationStore> store);
  Options options_;
  std::unique_ptr<State> state_;
};

}  // namespace trainyard::service
