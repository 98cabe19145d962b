#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/service/workspace.h"
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
};

/// Runs with all that they stand on. Takes up unfinished runs when it is created; leaves them to the
/// next one when it is destroyed.
class Orchestrator {
 public:
  /// kFailedPrecondition when another process has the state folder.
  static absl::StatusOr<std::unique_ptr<Orchestrator>> Create(OrchestratorOptions options);

  Runs& runs() { return *runs_; }

 private:
  explicit Orchestrator(OrchestratorOptions options) : options_(std::move(options)) {}
  Environment MakeEnvironment();

  OrchestratorOptions options_;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<AddressPool> pool_;
  Environment environment_;
  // Last, so that it goes first: its threads use all of the above.
  std::unique_ptr<Runs> runs_;
};

}  // namespace trainyard::orchestrator
