#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/run_record.h"
#include "services/orchestrator/run_threads.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::orchestrator {

/// All runs of an orchestrator: what its RPCs ask for. Thread-safe.
class Runs {
 public:
  /// `environment` outlives this object. Throws std::system_error when no thread can be made.
  explicit Runs(const Environment& environment)
      : environment_(environment), threads_(environment.max_runs) {}
  /// Stops following; the operations go on, and the next process takes the runs up.
  ~Runs();

  /// The same at once, without waiting for the threads. Starts are refused from then on.
  void Stop();

  /// Goes on with the runs that an earlier process left unfinished. One whose key was given itself ends
  /// as FAILED with kFailedPrecondition: the key is gone; a new run finds what is done in the cache.
  absl::Status TakeUp();

  /// Checks and stores a run and begins to work on it. With validate_only it is only checked, and the
  /// answer has no name.
  ///
  /// kInvalidArgument (also kUnimplemented) lists all problems of the pipeline (ParsePipeline), of all
  /// specs, and of the requests of stages that need no other stage, as their services see them;
  /// kFailedPrecondition: a service has no address; kUnavailable: a service that should check its stage
  /// does not answer (all together get some seconds), max_waiting_runs wait already, or the process is
  /// about to end.
  absl::StatusOr<v1::Run> Start(const v1::StartRunRequest& request);

  /// By `runs/<id>`. kNotFound; kInvalidArgument when `name` is no name of a run.
  absl::StatusOr<std::shared_ptr<RunRecord>> Find(const std::string& name);
  /// A run whose events cannot be read is listed as FAILED, with the reason as its error.
  absl::StatusOr<v1::ListRunsResponse> List(const v1::ListRunsRequest& request);
  /// Asks a run and its operations to stop, without waiting for any service. The run as it was then.
  absl::StatusOr<v1::Run> Cancel(const std::string& name);

 private:
  absl::StatusOr<Pipeline> Parse(const v1::StartRunRequest& request) const;
  absl::Status TakeUpOne(const std::string& id);
  void Launch(Pipeline pipeline, RunChoices choices, std::shared_ptr<RunRecord> record);
  void Work(std::shared_ptr<RunRecord> record, std::function<void()> work);
  absl::StatusOr<std::shared_ptr<RunRecord>> Load(const std::string& id) const;
  absl::StatusOr<std::pair<std::string, std::shared_ptr<RunRecord>>> Store(
      const v1::StartRunRequest& request, const Pipeline& pipeline, const std::string& digest);
  void EndUnfollowed(RunRecord& record, const google::rpc::Status& error);
  void CancelWaiting(const std::shared_ptr<RunRecord>& record, std::function<void()> work);
  std::string NewId() const;

  const Environment& environment_;
  std::mutex mutex_;
  bool ending_ = false;
  // Runs that have not ended.
  std::map<std::string, std::shared_ptr<RunRecord>> active_;
  // Last, so that it goes first: what it does uses all of the above.
  RunThreads threads_;
};

}  // namespace trainyard::orchestrator
