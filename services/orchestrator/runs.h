#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/orchestrator/environment.h"
#include "services/orchestrator/run_record.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::orchestrator {

/// All runs of an orchestrator: what its RPCs ask for. Thread-safe.
class Runs {
 public:
  /// `environment` outlives this object.
  explicit Runs(const Environment& environment) : environment_(environment) {}
  /// Stops following; the operations go on, and the next process takes the runs up.
  ~Runs();

  /// Goes on with the runs that an earlier process left unfinished. One whose key was given itself ends
  /// as FAILED with kFailedPrecondition: the key is gone; a new run finds what is done in the cache.
  absl::Status TakeUp();

  /// Checks and stores a run and begins to work on it. With validate_only it is only checked, and the
  /// answer has no name.
  ///
  /// kInvalidArgument (also kUnimplemented) lists all problems of the pipeline (ParsePipeline), of all
  /// specs, and of the requests of stages that need no other stage, as their services see them;
  /// kFailedPrecondition: a service has no address; kUnavailable: a service that should check its stage
  /// does not answer, or this object is being destroyed.
  absl::StatusOr<v1::Run> Start(const v1::StartRunRequest& request);

  /// By `runs/<id>`. kNotFound; kInvalidArgument when `name` is no name of a run.
  absl::StatusOr<std::shared_ptr<RunRecord>> Find(const std::string& name);
  absl::StatusOr<v1::ListRunsResponse> List(const v1::ListRunsRequest& request);
  /// Asks a run and its operations to stop. The run as it was then.
  absl::StatusOr<v1::Run> Cancel(const std::string& name);

 private:
  struct Active {
    std::shared_ptr<RunRecord> record;
    std::jthread thread;
  };
  absl::StatusOr<Pipeline> Parse(const v1::StartRunRequest& request) const;
  absl::Status Check(const Pipeline& pipeline, const std::string& key) const;
  absl::Status CheckStage(const Pipeline& pipeline, const StageSpec& stage,
                          const std::string& key) const;
  absl::Status TakeUpOne(const std::string& id);
  void Launch(Pipeline pipeline, RunChoices choices, std::shared_ptr<RunRecord> record);
  absl::StatusOr<std::shared_ptr<RunRecord>> Load(const std::string& id) const;
  std::string NewId() const;

  const Environment& environment_;
  std::mutex mutex_;
  bool ending_ = false;
  std::map<std::string, Active> active_;
};

}  // namespace trainyard::orchestrator
