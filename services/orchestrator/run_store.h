#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/orchestrator/run_state.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::orchestrator {

/// How a run was asked for. Holds no literal key.
struct StoredRun {
  /// The last part of `runs/<id>`.
  std::string id;
  /// "" = the caller gave none.
  std::string request_id;
  /// SHA-256 of the request without request_id and key.
  std::string request_digest;
  /// StartRunRequest with the texts of all spec files in it, so that a restart reads none.
  std::string request;
  /// The key was given itself, and is gone after a restart.
  bool had_literal_key = false;
};

/// What an earlier stage made.
struct CacheEntry {
  std::string run;
  std::string stage;
  v1::StageResult result;
};

/// Runs, their events, and the cache. Each call is atomic, and what it has stored when it returns
/// survives a kill and a power cut. One that fails has stored nothing, or, when only the answer to its
/// commit was lost, all. Thread-safe.
///
/// Beside what is said at it, every call may fail with kResourceExhausted: there is no room;
/// kUnavailable: not now; kDataLoss: what is stored is damaged; kInternal: anything else.
/// tests/service/orchestrator/run_store_test.cc is what every implementation passes.
class RunStore {
 public:
  virtual ~RunStore() = default;

  /// Stores a run with its first event; or, in the same transaction, finds the run with the same
  /// request_id, whose id is returned then. kInvalidArgument when that one had another request;
  /// kAlreadyExists when another run has the id: the caller draws another one.
  virtual absl::StatusOr<std::string> Create(const StoredRun& run, const RunEvent& created) = 0;
  /// The id of the run with this request_id, if any; as Create.
  virtual absl::StatusOr<std::optional<std::string>> FindRequest(
      const std::string& request_id, const std::string& request_digest) = 0;
  /// kNotFound.
  virtual absl::StatusOr<StoredRun> Get(const std::string& id) = 0;
  /// The events of a run in order. kNotFound.
  virtual absl::StatusOr<std::vector<RunEvent>> Events(const std::string& id) = 0;
  /// Adds an event, and in the same transaction a cache entry when there is one. OK when the very
  /// event is there already. kAborted when the run has another one of that sequence: somebody else
  /// writes.
  virtual absl::Status Append(const std::string& id, const RunEvent& event,
                              const std::string& cache_key, const CacheEntry* entry) = 0;
  absl::Status Append(const std::string& id, const RunEvent& event) {
    return Append(id, event, "", nullptr);
  }
  /// The newest first, older than `before` ("" = all).
  virtual absl::StatusOr<std::vector<std::string>> List(int limit, const std::string& before) = 0;
  /// Runs without kRunEnded, the oldest first.
  virtual absl::StatusOr<std::vector<std::string>> Unfinished() = 0;

  virtual absl::StatusOr<std::optional<CacheEntry>> FindCached(const std::string& cache_key) = 0;
  /// For entries whose outputs are gone or changed.
  virtual absl::Status ForgetCached(const std::string& cache_key) = 0;
  /// Removes runs that ended before `before`, with their events and the cache entries that are from
  /// them; files of the workspace stay. Returns how many.
  virtual absl::StatusOr<int> ForgetEndedBefore(absl::Time before) = 0;

  /// Operations that are to be cancelled and whose service has not heard it yet, (address, operation).
  /// Adding one that is there and removing one that is not are OK.
  virtual absl::Status AddCancel(const std::string& address, const std::string& operation) = 0;
  virtual absl::Status RemoveCancel(const std::string& address, const std::string& operation) = 0;
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Cancels() = 0;

  /// Random bytes of this store, made once: the salt of marks of keys.
  virtual const std::string& salt() const = 0;
};

}  // namespace trainyard::orchestrator
