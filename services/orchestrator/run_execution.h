#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "services/orchestrator/environment.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/run_record.h"

namespace trainyard::orchestrator {

/// One run from where its record stands to its end.
///
/// A stage begins when all stages that it needs have ended well; stages that do not need each other
/// work side by side, kMaxStagesAtOnce of them; each has a thread while it works, or this one when
/// the system gives no other. When one fails, or a cancel is asked for, no other begins. After a restart,
/// operations that services still have are followed, the others are sent again with the same
/// request_id.
class RunExecution {
 public:
  /// `environment` outlives this object.
  RunExecution(const Environment& environment, Pipeline pipeline, RunChoices choices,
               std::shared_ptr<RunRecord> record);

  /// Blocks until the run has ended, or the record is shut down.
  void Execute();

 private:
  using Lock = std::unique_lock<std::mutex>;
  bool LaunchReady(Lock& lock);
  bool Launch(const StageSpec& stage, Lock& lock);
  void Work(const StageSpec& stage);
  void Join();
  bool Ready(const StageSpec& stage, const v1::Run& run) const;
  void CloseRest();
  void Finish();

  const Environment& environment_;
  const Pipeline pipeline_;
  const RunChoices choices_;
  const std::shared_ptr<RunRecord> record_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> launched_;
  int working_ = 0;
  // Stages whose threads are about to end.
  std::vector<std::string> ended_;
  std::map<std::string, std::jthread> threads_;
};

}  // namespace trainyard::orchestrator
