#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/orchestrator/run_state.h"
#include "trainyard/v1/operation.pb.h"

struct sqlite3;

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

/// Runs, their events, and the cache, in SQLite (WAL, synchronous FULL: what was answered survives a
/// kill). In the orchestrator's own folder, never in a shared workspace, readable by its user alone.
/// Thread-safe.
class RunStore {
 public:
  /// Opens or makes `<state_dir>/runs.db` and holds `<state_dir>/lock` while it lives.
  /// kFailedPrecondition when another process holds it, or the file has a newer schema.
  static absl::StatusOr<std::unique_ptr<RunStore>> Open(const std::string& state_dir);
  ~RunStore();

  /// Stores a run with its first event; or, in the same transaction, finds the run with the same
  /// request_id, whose id is returned then. kInvalidArgument when that one had another request;
  /// kAlreadyExists when another run has the id: the caller draws another one.
  absl::StatusOr<std::string> Create(const StoredRun& run, const RunEvent& created);
  /// The id of the run with this request_id, if any; as Create.
  absl::StatusOr<std::optional<std::string>> FindRequest(const std::string& request_id,
                                                         const std::string& request_digest);
  /// kNotFound.
  absl::StatusOr<StoredRun> Get(const std::string& id);
  /// The events of a run in order. kNotFound.
  absl::StatusOr<std::vector<RunEvent>> Events(const std::string& id);
  /// Adds an event, and in the same transaction a cache entry when there is one. OK when the very
  /// event is there already. kAborted when the run has another one of that sequence: somebody else
  /// writes. kResourceExhausted or kInternal, and nothing stored, when the disk refuses.
  absl::Status Append(const std::string& id, const RunEvent& event,
                      const std::string& cache_key = "", const CacheEntry* entry = nullptr);
  /// The newest first, older than `before` ("" = all).
  absl::StatusOr<std::vector<std::string>> List(int limit, const std::string& before);
  /// Runs without kRunEnded, the oldest first.
  absl::StatusOr<std::vector<std::string>> Unfinished();

  absl::StatusOr<std::optional<CacheEntry>> FindCached(const std::string& cache_key);
  /// For entries whose outputs are gone or changed.
  absl::Status ForgetCached(const std::string& cache_key);
  /// Removes runs that ended before `before`, with their events and the cache entries that are from
  /// them; files of the workspace stay. Returns how many.
  absl::StatusOr<int> ForgetEndedBefore(absl::Time before);

  /// Operations that are to be cancelled and whose service has not heard it yet, (address, operation).
  /// Adding one that is there and removing one that is not are OK.
  absl::Status AddCancel(const std::string& address, const std::string& operation);
  absl::Status RemoveCancel(const std::string& address, const std::string& operation);
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Cancels();

  /// Random bytes of this store, made once: the salt of marks of keys.
  const std::string& salt() const { return salt_; }

 private:
  RunStore(sqlite3* db, int lock_fd) : db_(db), lock_fd_(lock_fd) {}
  absl::Status Prepare();
  // With the mutex held.
  absl::StatusOr<std::optional<std::string>> Find(const std::string& request_id,
                                                  const std::string& request_digest);
  std::mutex mutex_;
  sqlite3* db_;
  int lock_fd_;
  std::string salt_;
};

}  // namespace trainyard::orchestrator
