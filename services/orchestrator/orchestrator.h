#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/service/workspace.h"
#include "services/orchestrator/heartbeat.h"
#include "services/orchestrator/runs.h"

namespace trainyard::orchestrator {

/// What an orchestrator is made of.
struct OrchestratorOptions {
  /// A folder of its own for runs.db; made when missing. Never in a shared workspace.
  std::string state_dir;
  /// Shared with the stage services. Outlives the orchestrator.
  const service::Workspace* workspace = nullptr;
  /// Addresses by service, for pipelines that name none.
  std::map<std::string, std::vector<std::string>> services;
  /// The way to the services; nullptr = gRPC to addresses.
  std::unique_ptr<StageClient> client;
  /// Where runs are kept; nullptr = SQLite in `state_dir`.
  std::unique_ptr<RunStore> store;
  /// Runs that work at one time, and runs that may wait for their turn.
  size_t max_runs = 64;
  size_t max_waiting_runs = 1000;
  /// Ended runs are forgotten after this long, with what the cache has of them.
  absl::Duration keep_runs = absl::InfiniteDuration();
  /// Whether the process is about to end; may be empty.
  std::function<bool()> draining;
};

/// Runs with all that they stand on. Takes up unfinished runs when it is created; leaves them to the
/// next one when it is destroyed.
class Orchestrator {
 public:
  /// kFailedPrecondition when another process has the state folder; kResourceExhausted when the system
  /// gives no threads.
  static absl::StatusOr<std::unique_ptr<Orchestrator>> Create(OrchestratorOptions options);
  ~Orchestrator();

  Runs& runs() { return *runs_; }

 private:
  explicit Orchestrator(OrchestratorOptions options) : options_(std::move(options)) {}
  Environment MakeEnvironment();
  void ForgetOldRuns();
  void Stop();

  OrchestratorOptions options_;
  const absl::Time started_ = absl::Now();
  const absl::Duration started_steady_ = SteadyNow();
  std::unique_ptr<AddressPool> pool_;
  std::unique_ptr<Canceller> canceller_;
  Environment environment_;
  // Last, so that it goes first: its threads use all of the above.
  std::unique_ptr<Runs> runs_;
  // Looks for runs to forget, and for the end of the process.
  std::unique_ptr<Heartbeat> housekeeping_, drain_watch_;
  Heartbeat::Subscription forgetting_, stopping_;
};

}  // namespace trainyard::orchestrator
