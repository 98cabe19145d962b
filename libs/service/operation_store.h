#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainyard/v1/operation.pb.h"

struct sqlite3;

namespace trainyard::service {

/// How the key of an operation can be had again after a restart.
enum class KeyKind { kNone = 0, kReference = 1, kLiteral = 2 };

/// One operation as the database has it. Holds no key: a literal one is taken out of `request`.
struct OperationRow {
  /// The last part of the name.
  std::string id;
  std::string stage;
  /// The request message, serialized, without a literal key.
  std::string request;
  KeyKind key_kind = KeyKind::kNone;
  /// "" = the caller gave none.
  std::string request_id;
  /// SHA-256 of the request's canonical form (without request_id and key).
  std::string request_digest;
  /// State, progress, warnings: all of it. Its sequence is a lower bound after a crash.
  v1::OperationMetadata metadata;
  /// Set when the state is final: StageResult, or the error.
  std::optional<v1::StageResult> response;
  std::optional<google::rpc::Status> error;
  /// Who may write this row: `<replica>/<nonce of the process>`.
  std::string owner;
  int64_t lease_until_us = 0;
  /// The fencing epoch of the newest worker of this operation in `job_dir`; 0 = none yet.
  int64_t epoch = 0;
  /// That of its first worker there.
  int64_t first_epoch = 0;
  std::string job_dir;
  int64_t create_us = 0;
};

/// Whether a state is never left.
bool IsFinal(v1::OperationMetadata::State state);

/// Operations in SQLite: one writer, WAL, synchronous FULL, so that what was answered survives a
/// kill and a power cut. Thread-safe.
class OperationStore {
 public:
  /// Opens or makes `<state_dir>/operations.db`, and holds `<state_dir>/lock` while it lives.
  /// kFailedPrecondition when another process holds it, or the file has a newer schema.
  static absl::StatusOr<std::unique_ptr<OperationStore>> Open(const std::string& state_dir);
  ~OperationStore();

  /// Stores a new row, or, in the same transaction, finds the row of the same (stage, request_id):
  /// that one is returned when the digests agree; kInvalidArgument with reason REQUEST_ID_REUSED
  /// when they differ. nullopt = stored.
  absl::StatusOr<std::optional<OperationRow>> Insert(const OperationRow& row);
  /// The row of (stage, request_id), if any; the same rule for the digest.
  absl::StatusOr<std::optional<OperationRow>> FindRequest(const std::string& stage,
                                                          const std::string& request_id,
                                                          const std::string& request_digest);
  /// kNotFound when there is none.
  absl::StatusOr<OperationRow> Get(const std::string& id);

  /// Rows that fit, the newest first, after the position (create_us, id) of an earlier page.
  struct Query {
    std::string stage;
    /// STATE_UNSPECIFIED = any.
    v1::OperationMetadata::State state = v1::OperationMetadata::STATE_UNSPECIFIED;
    int64_t before_create_us = INT64_MAX;
    std::string before_id;
    int limit = 50;
  };
  absl::StatusOr<std::vector<OperationRow>> List(const Query& query);
  /// Rows whose state is not final, the oldest first.
  absl::StatusOr<std::vector<OperationRow>> Unfinished();

  /// Writes metadata, result, epoch and job_dir of a row that `row.owner` owns and that is not final
  /// yet. kAborted when another owner has taken it, or it is final: the writer stops then.
  absl::Status Update(const OperationRow& row);
  /// Makes `owner` the owner of an unfinished row: the successor of a process that is gone.
  absl::Status TakeOver(const std::string& id, const std::string& owner, int64_t lease_until_us);
  /// Moves the lease of all unfinished rows of `owner`.
  absl::Status Renew(const std::string& owner, int64_t lease_until_us);
  /// Removes a row. kFailedPrecondition unless it is final; kNotFound when there is none.
  absl::Status Delete(const std::string& id);
  /// Removes final rows that ended before `end_us`. Returns their ids.
  absl::StatusOr<std::vector<std::string>> DeleteEndedBefore(int64_t end_us);

 private:
  OperationStore(sqlite3* db, int lock_fd) : db_(db), lock_fd_(lock_fd) {}
  std::mutex mutex_;
  sqlite3* db_;
  int lock_fd_;
};

}  // namespace trainyard::service
