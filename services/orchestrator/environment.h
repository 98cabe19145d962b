#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/orchestrator/address_pool.h"
#include "services/orchestrator/canceller.h"
#include "services/orchestrator/pipeline.h"
#include "services/orchestrator/run_record.h"
#include "services/orchestrator/run_store.h"
#include "services/orchestrator/spec_reader.h"
#include "services/orchestrator/stage_client.h"

namespace trainyard::orchestrator {

/// From the system's own source.
uint32_t RandomBits();
/// A time that setting the clock does not change, for delays.
absl::Duration SteadyNow();

/// What runs stand on. Everything outlives the runs; all functions are thread-safe.
struct Environment {
  StageClient* client = nullptr;
  RunStore* store = nullptr;
  AddressPool* pool = nullptr;
  Canceller* canceller = nullptr;
  SpecReader read_spec;
  /// The absolute path of a workspace URI, after the prefixes of `path_map` are rewritten.
  std::function<absl::StatusOr<std::string>(const std::string& uri,
                                            const std::map<std::string, std::string>& path_map)>
      resolve;
  /// Addresses of services that a pipeline does not name.
  std::map<std::string, std::vector<std::string>> default_services;
  RunRecord::Clock clock;
  /// Waits; returns early, with false, when stop is requested.
  std::function<bool(absl::Duration, std::stop_token)> wait;
  /// How long a stage waits for a service that does not answer or is full.
  absl::Duration patience = absl::Minutes(10);
  /// 32 bits of chance for the names of runs.
  std::function<uint32_t()> random = RandomBits;
  /// Whether the process is about to end and takes no more runs; may be empty.
  std::function<bool()> draining;
  /// Runs that work at one time, and runs that may wait for their turn.
  size_t max_runs = 64;
  size_t max_waiting_runs = 1000;
  /// Writes report.html and ledger.json of a run that has ended into its results folder; may be empty.
  std::function<absl::Status(const Pipeline& pipeline, const v1::Run& run)> write_report;
};

/// How the user wants a run.
struct RunChoices {
  /// As StageInput.key: a reference, or the key itself. Never stored, never logged.
  std::string key;
  /// Keeps a key itself out of messages while the run works (libs/base/log.h).
  std::shared_ptr<const void> secret;
  /// The key was given itself and is gone since a restart: what a service works on is followed to its
  /// end, and nothing that needs the key is begun.
  bool key_lost = false;
  /// The cache is not asked (but still written).
  bool force = false;
};

/// Waits on a condition variable: the `wait` of programs.
bool WaitOrStop(absl::Duration duration, std::stop_token stop);

}  // namespace trainyard::orchestrator
