#include "libs/service/internal/sqlite_operation_store.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/store/database.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using State = v1::OperationMetadata;
using store::Database;
using store::Statement;
using store::Transaction;

constexpr char kSchema[] = R"(
  CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY, stage TEXT NOT NULL, request BLOB NOT NULL, key_kind INTEGER NOT NULL,
    request_id TEXT NOT NULL, request_digest TEXT NOT NULL, state INTEGER NOT NULL,
    metadata BLOB NOT NULL, response BLOB, error BLOB, owner TEXT NOT NULL,
    first_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL,
    attempt INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, job_dir TEXT NOT NULL,
    create_us INTEGER NOT NULL, end_us INTEGER NOT NULL, deaths INTEGER NOT NULL DEFAULT 0,
    kept_from_us INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS operations_by_request
    ON operations (stage, request_id) WHERE request_id <> '';
  CREATE INDEX IF NOT EXISTS operations_by_time ON operations (create_us, id);
  CREATE INDEX IF NOT EXISTS operations_unfinished ON operations (create_us, id) WHERE end_us = 0;
  CREATE TABLE IF NOT EXISTS owners (owner TEXT PRIMARY KEY, lease_until_us INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
)";
// Before version 2 each row had the lease of its owner, and all of them were written to renew it.
constexpr char kFromVersion1[] = R"(
  ALTER TABLE operations ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE operations ADD COLUMN kept_from_us INTEGER NOT NULL DEFAULT 0;
  UPDATE operations SET kept_from_us = end_us;
  ALTER TABLE operations DROP COLUMN lease_until_us;
)";
// Rows that fit `condition`. The request, which may be large, is read only where it is asked for.
std::string SelectRows(absl::string_view condition, absl::string_view request = "NULL") {
  return absl::StrCat(
      "SELECT id, stage, ", request, ", key_kind, request_id, request_digest, metadata, response, "
      "error, operations.owner, COALESCE(lease_until_us, 0), first_epoch, epoch, job_dir, "
      "create_us, deaths, kept_from_us, state "
      "FROM operations LEFT JOIN owners ON owners.owner = operations.owner ",
      condition);
}
// What a row's owner may change, and the end of every statement that changes it.
constexpr char kUpdate[] =
    "UPDATE operations SET state = ?, metadata = ?, response = ?, error = ?, first_epoch = ?, "
    "epoch = ?, attempt = ?, cancel_requested = ?, job_dir = ?, deaths = ?, end_us = ?, "
    "kept_from_us = ?, owner = ? WHERE id = ? AND end_us = 0";

template <typename Message>
void Parse(const std::string& bytes, Message* message, std::string* damage) {
  if (message->ParseFromString(bytes)) return;
  *damage = absl::StrCat("it holds no ", Message::descriptor()->name());
}

// What a damaged row reads as: it ends whoever waits for it, and says why.
void ReadAsDamaged(OperationRow& row) {
  row.metadata.Clear();
  row.metadata.set_state(State::FAILED);
  row.metadata.set_stage(row.stage);
  row.response.reset();
  row.error = worker::RpcStatusFrom(worker::WithReason(
      absl::DataLossError(absl::StrCat("the stored row of operation '", row.id,
                                       "' is damaged: ", row.damage,
                                       "; what came of its work is not known here")),
      "ROW_DAMAGED", {{"operation", row.id}}));
}

OperationRow RowOf(const Statement& statement) {
  OperationRow row;
  row.id = statement.Bytes(0);
  row.stage = statement.Bytes(1);
  if (!statement.IsNull(2)) {
    row.request = std::make_shared<const std::string>(statement.Bytes(2));
  }
  row.key_kind = static_cast<KeyKind>(statement.Integer(3));
  row.request_id = statement.Bytes(4);
  row.request_digest = statement.Bytes(5);
  Parse(statement.Bytes(6), &row.metadata, &row.damage);
  if (!statement.IsNull(7)) Parse(statement.Bytes(7), &row.response.emplace(), &row.damage);
  if (!statement.IsNull(8)) Parse(statement.Bytes(8), &row.error.emplace(), &row.damage);
  row.owner = statement.Bytes(9);
  row.lease_until_us = statement.Integer(10);
  row.first_epoch = statement.Integer(11);
  row.epoch = statement.Integer(12);
  row.job_dir = statement.Bytes(13);
  row.create_us = statement.Integer(14);
  row.deaths = static_cast<int>(statement.Integer(15));
  row.kept_from_us = statement.Integer(16);
  if (row.damage.empty() && row.metadata.state() != statement.Integer(17)) {
    row.damage = absl::StrCat("its state is ", statement.Integer(17), " and ",
                              row.metadata.state());
  }
  if (!row.damage.empty()) ReadAsDamaged(row);
  return row;
}

int64_t EndMicros(const v1::OperationMetadata& metadata) {
  return metadata.end_time().seconds() * 1000000 + metadata.end_time().nanos() / 1000;
}

absl::StatusOr<std::optional<OperationRow>> FindSameRequest(Database& database,
                                                            const std::string& stage,
                                                            const std::string& request_id,
                                                            const std::string& request_digest) {
  if (request_id.empty()) return std::nullopt;
  // Without its last term the index, which leaves out empty ids, cannot be used.
  Statement find(database, SelectRows("WHERE stage = ? AND request_id = ? AND request_id <> ''"));
  find.Text(stage).Text(request_id);
  TY_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows, find.Rows(RowOf));
  if (rows.empty()) return std::nullopt;
  if (rows[0].request_digest == request_digest) return rows[0];
  return worker::WithReason(
      absl::InvalidArgumentError(absl::StrCat("request_id '", request_id, "' belongs to operation '",
                                              rows[0].id, "', whose request was another one; "
                                              "a new request needs a new id")),
      "REQUEST_ID_REUSED", {{"requestId", request_id}, {"operation", rows[0].id}});
}

void BindUpdate(Statement& update, const OperationRow& row) {
  const bool final = IsFinal(row.metadata.state());
  const int64_t end_us = final ? std::max<int64_t>(1, EndMicros(row.metadata)) : 0;
  update.Number(row.metadata.state()).Blob(row.metadata.SerializeAsString());
  row.response.has_value() ? update.Blob(row.response->SerializeAsString()) : update.Null();
  row.error.has_value() ? update.Blob(row.error->SerializeAsString()) : update.Null();
  update.Number(row.first_epoch).Number(row.epoch).Number(row.metadata.attempt());
  update.Number(row.metadata.cancel_requested() ? 1 : 0).Text(row.job_dir).Number(row.deaths);
  update.Number(end_us).Number(final && row.kept_from_us == 0 ? end_us : row.kept_from_us);
  update.Text(row.owner).Text(row.id);
}

absl::Status NoSuchOperation(const std::string& id) {
  return worker::WithReason(
      absl::NotFoundError(absl::StrCat("there is no operation '", id, "' here")),
      "OPERATION_NOT_FOUND", {{"operation", id}});
}

class SqliteOperationStore final : public OperationStore {
 public:
  SqliteOperationStore(std::unique_ptr<Database> writer, std::unique_ptr<Database> reader)
      : writer_(std::move(writer)), reader_(std::move(reader)) {}

  absl::StatusOr<std::optional<OperationRow>> Insert(const OperationRow& row) override;
  absl::StatusOr<std::optional<OperationRow>> FindRequest(
      const std::string& stage, const std::string& request_id,
      const std::string& request_digest) override;
  absl::StatusOr<OperationRow> Get(const std::string& id) override;
  absl::StatusOr<std::vector<OperationRow>> List(const Query& query) override;
  absl::StatusOr<std::vector<OperationRow>> Unfinished() override;
  absl::Status Update(const OperationRow& row) override;
  absl::Status TakeOver(absl::Span<const OperationRow> rows) override;
  absl::Status Renew(const std::string& owner, int64_t lease_until_us) override;
  absl::Status Quarantine(const OperationRow& row) override;
  absl::Status Delete(const std::string& id) override;
  absl::StatusOr<std::vector<std::string>> DeleteEndedBefore(int64_t end_us) override;
  absl::StatusOr<std::map<std::string, int64_t>> Facts() override;
  absl::Status SetFacts(const std::map<std::string, int64_t>& facts) override;

 private:
  // One call of Insert.
  struct Insertion {
    const OperationRow& row;
    absl::StatusOr<std::optional<OperationRow>> result;
    bool done = false;
  };
  void InsertAll(absl::Span<Insertion* const> batch);
  absl::Status InsertBatch(absl::Span<Insertion* const> batch);

  std::mutex insert_mutex_;
  std::condition_variable inserted_;
  std::vector<Insertion*> insertions_;
  bool inserting_ = false;

  std::mutex write_mutex_, read_mutex_;
  const std::unique_ptr<Database> writer_, reader_;
};

absl::StatusOr<std::optional<OperationRow>> SqliteOperationStore::Insert(const OperationRow& row) {
  Insertion own{row, std::nullopt};
  std::unique_lock<std::mutex> lock(insert_mutex_);
  insertions_.push_back(&own);
  inserted_.wait(lock, [&] { return own.done || !inserting_; });
  if (own.done) return std::move(own.result);
  // The first of those that wait stores for all of them: the disk takes one row as long as many.
  inserting_ = true;
  const std::vector<Insertion*> batch = std::exchange(insertions_, {});
  lock.unlock();
  InsertAll(batch);
  lock.lock();
  inserting_ = false;
  for (Insertion* insertion : batch) insertion->done = true;
  inserted_.notify_all();
  return std::move(own.result);
}

void SqliteOperationStore::InsertAll(absl::Span<Insertion* const> batch) {
  const absl::Status status = InsertBatch(batch);
  if (status.ok()) return;
  for (Insertion* insertion : batch) insertion->result = status;
}

absl::Status SqliteOperationStore::InsertBatch(absl::Span<Insertion* const> batch) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Transaction transaction(*writer_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  Statement insert(*writer_,
                   "INSERT INTO operations (id, stage, request, key_kind, request_id, "
                   "request_digest, state, metadata, owner, first_epoch, epoch, attempt, "
                   "cancel_requested, job_dir, create_us, end_us) "
                   "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)");
  for (Insertion* insertion : batch) {
    const OperationRow& row = insertion->row;
    insertion->result =
        FindSameRequest(*writer_, row.stage, row.request_id, row.request_digest);
    if (!insertion->result.ok() || insertion->result->has_value()) continue;
    insert.Reset();
    insert.Text(row.id).Text(row.stage).Blob(row.request == nullptr ? "" : *row.request);
    insert.Number(static_cast<int64_t>(row.key_kind)).Text(row.request_id);
    insert.Text(row.request_digest).Number(row.metadata.state());
    insert.Blob(row.metadata.SerializeAsString()).Text(row.owner);
    insert.Number(row.first_epoch).Number(row.epoch).Number(row.metadata.attempt());
    insert.Number(row.metadata.cancel_requested() ? 1 : 0).Text(row.job_dir).Number(row.create_us);
    TY_RETURN_IF_ERROR(insert.Execute());
  }
  return transaction.Commit();
}

absl::StatusOr<std::optional<OperationRow>> SqliteOperationStore::FindRequest(
    const std::string& stage, const std::string& request_id, const std::string& request_digest) {
  const std::lock_guard<std::mutex> lock(read_mutex_);
  return FindSameRequest(*reader_, stage, request_id, request_digest);
}

absl::StatusOr<OperationRow> SqliteOperationStore::Get(const std::string& id) {
  const std::lock_guard<std::mutex> lock(read_mutex_);
  Statement get(*reader_, SelectRows("WHERE id = ?"));
  get.Text(id);
  TY_ASSIGN_OR_RETURN(std::vector<OperationRow> rows, get.Rows(RowOf));
  if (rows.empty()) return NoSuchOperation(id);
  return std::move(rows[0]);
}

absl::StatusOr<std::vector<OperationRow>> SqliteOperationStore::List(const Query& query) {
  const std::lock_guard<std::mutex> lock(read_mutex_);
  Statement list(*reader_, SelectRows("WHERE (?1 = '' OR stage = ?1) AND (?2 = 0 OR state = ?2) "
                                      "AND (create_us < ?3 OR (create_us = ?3 AND id < ?4)) "
                                      "ORDER BY create_us DESC, id DESC LIMIT ?5"));
  list.Text(query.stage).Number(query.state).Number(query.before_create_us).Text(query.before_id);
  list.Number(query.limit);
  return list.Rows(RowOf);
}

absl::StatusOr<std::vector<OperationRow>> SqliteOperationStore::Unfinished() {
  const std::lock_guard<std::mutex> lock(read_mutex_);
  Statement list(*reader_, SelectRows("WHERE end_us = 0 ORDER BY create_us, id", "request"));
  return list.Rows(RowOf);
}

absl::Status SqliteOperationStore::Update(const OperationRow& row) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Statement update(*writer_, absl::StrCat(kUpdate, " AND owner = ?"));
  BindUpdate(update, row);
  TY_RETURN_IF_ERROR(update.Text(row.owner).Execute());
  if (writer_->changes() == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("operation '", row.id,
                                         "' has another owner now, or its end is stored already"));
}

absl::Status SqliteOperationStore::TakeOver(absl::Span<const OperationRow> rows) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Transaction transaction(*writer_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  Statement update(*writer_, kUpdate);
  for (const OperationRow& row : rows) {
    update.Reset();
    BindUpdate(update, row);
    TY_RETURN_IF_ERROR(update.Execute());
    if (writer_->changes() != 1) return NoSuchOperation(row.id);
  }
  return transaction.Commit();
}

absl::Status SqliteOperationStore::Renew(const std::string& owner, int64_t lease_until_us) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Transaction transaction(*writer_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  Statement renew(*writer_, "INSERT OR REPLACE INTO owners (owner, lease_until_us) VALUES (?, ?)");
  TY_RETURN_IF_ERROR(renew.Text(owner).Number(lease_until_us).Execute());
  // All unfinished rows were taken over when this process began.
  Statement forget(*writer_, "DELETE FROM owners WHERE owner <> ?");
  TY_RETURN_IF_ERROR(forget.Text(owner).Execute());
  return transaction.Commit();
}

absl::Status SqliteOperationStore::Quarantine(const OperationRow& row) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Statement end(*writer_, "UPDATE operations SET end_us = ?, kept_from_us = ? "
                          "WHERE id = ? AND end_us = 0");
  end.Number(row.kept_from_us).Number(row.kept_from_us).Text(row.id);
  return end.Execute();
}

absl::Status SqliteOperationStore::Delete(const std::string& id) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Statement remove(*writer_, "DELETE FROM operations WHERE id = ? AND end_us <> 0");
  remove.Text(id);
  TY_RETURN_IF_ERROR(remove.Execute());
  if (writer_->changes() == 1) return absl::OkStatus();
  Statement find(*writer_, "SELECT 1 FROM operations WHERE id = ?");
  find.Text(id);
  TY_ASSIGN_OR_RETURN(const bool there, find.Step());
  if (!there) return NoSuchOperation(id);
  return absl::FailedPreconditionError(
      absl::StrCat("operation '", id, "' has not ended; cancel it or wait before deleting it"));
}

absl::StatusOr<std::vector<std::string>> SqliteOperationStore::DeleteEndedBefore(int64_t end_us) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Statement remove(*writer_,
                   "DELETE FROM operations WHERE end_us <> 0 AND kept_from_us < ? RETURNING id");
  remove.Number(end_us);
  return remove.Column();
}

absl::StatusOr<std::map<std::string, int64_t>> SqliteOperationStore::Facts() {
  const std::lock_guard<std::mutex> lock(read_mutex_);
  Statement list(*reader_, "SELECT name, value FROM facts");
  TY_ASSIGN_OR_RETURN(const auto facts, list.Rows([](const Statement& row) {
    return std::pair(row.Bytes(0), row.Integer(1));
  }));
  return std::map<std::string, int64_t>(facts.begin(), facts.end());
}

absl::Status SqliteOperationStore::SetFacts(const std::map<std::string, int64_t>& facts) {
  const std::lock_guard<std::mutex> lock(write_mutex_);
  Transaction transaction(*writer_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  for (const auto& [name, value] : facts) {
    Statement set(*writer_, "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)");
    TY_RETURN_IF_ERROR(set.Text(name).Number(value).Execute());
  }
  return transaction.Commit();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OperationStore>> OpenSqliteOperationStore(
    const std::string& state_dir) {
  TY_ASSIGN_OR_RETURN(auto writer, Database::Open({.folder = state_dir,
                                                   .name = "operations.db",
                                                   .title = "the operations database",
                                                   .schema = kSchema,
                                                   .upgrades = {kFromVersion1}}));
  TY_ASSIGN_OR_RETURN(auto reader, writer->Connect());
  return std::make_unique<SqliteOperationStore>(std::move(writer), std::move(reader));
}

}  // namespace trainyard::service
