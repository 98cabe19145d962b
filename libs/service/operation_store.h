#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::service {

/// How the key of an operation can be had again after a restart.
enum class KeyKind { kNone = 0, kReference = 1, kLiteral = 2 };

/// One operation as the database has it. Holds no key: a literal one is taken out of `request`.
struct OperationRow {
  /// The last part of the name.
  std::string id;
  std::string stage;
  /// The request message, serialized, without a literal key. It may be large: copies of the row
  /// share it, and only Unfinished reads it; null in all other rows that the store gives.
  std::shared_ptr<const std::string> request;
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
  /// How long that process says that it lives; the row's owner has it, not the row. 0 = unknown.
  int64_t lease_until_us = 0;
  /// How often its work began and the service ended, other than by a drain, before the work did.
  int deaths = 0;
  /// The fencing epoch of the newest worker of this operation in `job_dir`; 0 = none yet.
  int64_t epoch = 0;
  /// That of its first worker there.
  int64_t first_epoch = 0;
  std::string job_dir;
  int64_t create_us = 0;
  /// When it ended, by the clock of the retention; 0 = by metadata.end_time.
  int64_t kept_from_us = 0;
  /// What is wrong with the stored row; "" = nothing. The state then reads FAILED and the error says it,
  /// whatever is stored.
  std::string damage;
};

/// Whether a state is never left.
inline bool IsFinal(v1::OperationMetadata::State state) {
  using State = v1::OperationMetadata;
  return state == State::SUCCEEDED || state == State::FAILED || state == State::CANCELLED ||
         state == State::SKIPPED;
}

/// The operations of one replica. Each call is atomic, and what it has stored when it returns
/// survives a kill and a power cut. One that fails has stored nothing, or, when only the answer to its
/// commit was lost, all. A row whose content cannot be read is given as a damaged one, and spoils nothing
/// else. Thread-safe.
///
/// Beside what is said at it, every call may fail with kResourceExhausted: there is no room;
/// kUnavailable: not now; kDataLoss: the whole store is damaged; kInternal: anything else.
/// tests/unit/service/operation_store_test.cc is what every implementation passes.
class OperationStore {
 public:
  virtual ~OperationStore() = default;

  /// Stores a new row, or, in the same transaction, finds the row of the same (stage, request_id):
  /// that one is returned when the digests agree; kInvalidArgument with reason REQUEST_ID_REUSED
  /// when they differ. nullopt = stored.
  virtual absl::StatusOr<std::optional<OperationRow>> Insert(const OperationRow& row) = 0;
  /// The row of (stage, request_id), if any; the same rule for the digest.
  virtual absl::StatusOr<std::optional<OperationRow>> FindRequest(
      const std::string& stage, const std::string& request_id,
      const std::string& request_digest) = 0;
  /// kNotFound, with reason OPERATION_NOT_FOUND, when there is none.
  virtual absl::StatusOr<OperationRow> Get(const std::string& id) = 0;

  /// Rows that fit, the newest first, after the position (create_us, id) of an earlier page.
  struct Query {
    std::string stage;
    /// STATE_UNSPECIFIED = any.
    v1::OperationMetadata::State state = v1::OperationMetadata::STATE_UNSPECIFIED;
    int64_t before_create_us = INT64_MAX;
    std::string before_id;
    int limit = 50;
  };
  virtual absl::StatusOr<std::vector<OperationRow>> List(const Query& query) = 0;
  /// Rows whose state is not final, the oldest first.
  virtual absl::StatusOr<std::vector<OperationRow>> Unfinished() = 0;

  /// Writes metadata, result, epoch and job_dir of a row that `row.owner` owns and that is not final
  /// yet. kAborted when another owner has taken it, or it is final: the writer stops then.
  virtual absl::Status Update(const OperationRow& row) = 0;
  /// Makes `row.owner` the owner of each of these unfinished rows, the successor of a process that is
  /// gone, and writes them as Update does: all of them or none. kNotFound when one is not there, or final.
  virtual absl::Status TakeOver(absl::Span<const OperationRow> rows) = 0;
  /// Moves the lease of `owner`, and forgets those of owners before it.
  virtual absl::Status Renew(const std::string& owner, int64_t lease_until_us) = 0;
  /// Ends a damaged row and leaves its content as it is.
  virtual absl::Status Quarantine(const OperationRow& row) = 0;
  /// Removes a row. kFailedPrecondition unless it is final; kNotFound when there is none.
  virtual absl::Status Delete(const std::string& id) = 0;
  /// Removes final rows that ended before `end_us`. Returns their ids.
  virtual absl::StatusOr<std::vector<std::string>> DeleteEndedBefore(int64_t end_us) = 0;

  /// Numbers that are kept beside the rows, by name.
  virtual absl::StatusOr<std::map<std::string, int64_t>> Facts() = 0;
  virtual absl::Status SetFacts(const std::map<std::string, int64_t>& facts) = 0;
};

}  // namespace trainyard::service
