#include "libs/service/operation_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {
namespace {

using State = v1::OperationMetadata;

constexpr int kSchemaVersion = 1;
constexpr int kBusyTimeoutMs = 5000;
constexpr char kSchema[] = R"(
  CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY, stage TEXT NOT NULL, request BLOB NOT NULL, key_kind INTEGER NOT NULL,
    request_id TEXT NOT NULL, request_digest TEXT NOT NULL, state INTEGER NOT NULL,
    metadata BLOB NOT NULL, response BLOB, error BLOB, owner TEXT NOT NULL,
    lease_until_us INTEGER NOT NULL, first_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL,
    attempt INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, job_dir TEXT NOT NULL,
    create_us INTEGER NOT NULL, end_us INTEGER NOT NULL) WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS operations_by_request
    ON operations (stage, request_id) WHERE request_id <> '';
  CREATE INDEX IF NOT EXISTS operations_by_time ON operations (create_us, id);
)";
constexpr char kColumns[] =
    "id, stage, request, key_kind, request_id, request_digest, metadata, response, error, owner, "
    "lease_until_us, first_epoch, epoch, job_dir, create_us";

absl::Status DatabaseStatus(sqlite3* db, absl::string_view action, int code) {
  const std::string message = absl::StrCat("the operations database: ", action, ": ",
                                           db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_BUSY:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

// A prepared statement; parameters are bound in the order of the calls.
class Statement {
 public:
  Statement(sqlite3* db, absl::string_view sql) : db_(db) {
    code_ = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Text(absl::string_view value) {
    return Bound(sqlite3_bind_text64(statement_, next_++, value.data(), value.size(),
                                     SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  Statement& Blob(absl::string_view value) {
    // A null pointer would bind NULL.
    return Bound(sqlite3_bind_blob64(statement_, next_++, value.empty() ? "" : value.data(),
                                     value.size(), SQLITE_TRANSIENT));
  }
  Statement& Null() { return Bound(sqlite3_bind_null(statement_, next_++)); }
  Statement& Number(int64_t value) { return Bound(sqlite3_bind_int64(statement_, next_++, value)); }

  // True when there is a row.
  absl::StatusOr<bool> Step() {
    if (code_ == SQLITE_OK) code_ = sqlite3_step(statement_);
    if (code_ == SQLITE_ROW) {
      code_ = SQLITE_OK;
      return true;
    }
    if (code_ == SQLITE_DONE) return false;
    return DatabaseStatus(db_, "a statement failed", code_);
  }
  absl::Status Execute() {
    TY_ASSIGN_OR_RETURN([[maybe_unused]] const bool row, Step());
    return absl::OkStatus();
  }

  std::string Bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return data == nullptr
               ? ""
               : std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  Statement& Bound(int code) {
    if (code_ == SQLITE_OK) code_ = code;
    return *this;
  }
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  int code_;
};

absl::Status Run(sqlite3* db, const char* sql) {
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : DatabaseStatus(db, "cannot run SQL", code);
}

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_(db) {}
  ~Transaction() {
    if (begun_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  absl::Status Begin() {
    TY_RETURN_IF_ERROR(Run(db_, "BEGIN IMMEDIATE"));
    begun_ = true;
    return absl::OkStatus();
  }
  absl::Status Commit() {
    TY_RETURN_IF_ERROR(Run(db_, "COMMIT"));
    begun_ = false;
    return absl::OkStatus();
  }

 private:
  sqlite3* db_;
  bool begun_ = false;
};

template <typename Message>
absl::Status Parse(const std::string& bytes, const std::string& id, Message* message) {
  if (message->ParseFromString(bytes)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the operations database: row '", id, "' holds no ", Message::descriptor()->name()));
}

absl::StatusOr<OperationRow> RowOf(const Statement& statement) {
  OperationRow row;
  row.id = statement.Bytes(0);
  row.stage = statement.Bytes(1);
  row.request = statement.Bytes(2);
  row.key_kind = static_cast<KeyKind>(statement.Integer(3));
  row.request_id = statement.Bytes(4);
  row.request_digest = statement.Bytes(5);
  TY_RETURN_IF_ERROR(Parse(statement.Bytes(6), row.id, &row.metadata));
  if (!statement.IsNull(7)) {
    TY_RETURN_IF_ERROR(Parse(statement.Bytes(7), row.id, &row.response.emplace()));
  }
  if (!statement.IsNull(8)) {
    TY_RETURN_IF_ERROR(Parse(statement.Bytes(8), row.id, &row.error.emplace()));
  }
  row.owner = statement.Bytes(9);
  row.lease_until_us = statement.Integer(10);
  row.first_epoch = statement.Integer(11);
  row.epoch = statement.Integer(12);
  row.job_dir = statement.Bytes(13);
  row.create_us = statement.Integer(14);
  return row;
}

absl::StatusOr<std::vector<OperationRow>> RowsOf(Statement& statement) {
  std::vector<OperationRow> rows;
  while (true) {
    TY_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return rows;
    TY_ASSIGN_OR_RETURN(OperationRow row, RowOf(statement));
    rows.push_back(std::move(row));
  }
}

int64_t EndMicros(const v1::OperationMetadata& metadata) {
  return metadata.end_time().seconds() * 1000000 + metadata.end_time().nanos() / 1000;
}

absl::StatusOr<std::optional<OperationRow>> FindSameRequest(sqlite3* db, const std::string& stage,
                                                            const std::string& request_id,
                                                            const std::string& request_digest) {
  if (request_id.empty()) return std::nullopt;
  Statement find(db, absl::StrCat("SELECT ", kColumns,
                                  " FROM operations WHERE stage = ? AND request_id = ?"));
  find.Text(stage).Text(request_id);
  TY_ASSIGN_OR_RETURN(const std::vector<OperationRow> rows, RowsOf(find));
  if (rows.empty()) return std::nullopt;
  if (rows[0].request_digest == request_digest) return rows[0];
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat("request_id '", request_id, "' belongs to operation '",
                                              rows[0].id, "', whose request was another one; "
                                              "a new request needs a new id")),
      "REQUEST_ID_REUSED", {{"requestId", request_id}, {"operation", rows[0].id}});
}

absl::StatusOr<int> HoldLock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::InternalError(absl::StrCat("cannot open '", path, "': ", strerror(errno)));
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  close(fd);
  return absl::FailedPreconditionError(absl::StrCat(
      "another process holds '", path, "'; give each replica a state folder of its own"));
}

absl::StatusOr<sqlite3*> OpenDatabase(const std::string& path) {
  sqlite3* db = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &db,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  absl::Status status = code == SQLITE_OK ? absl::OkStatus()
                                          : DatabaseStatus(db, absl::StrCat("open '", path, "'"), code);
  if (status.ok()) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, kBusyTimeoutMs);
    status = Run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  }
  if (!status.ok()) {
    sqlite3_close(db);
    return status;
  }
  return db;
}

absl::Status PrepareSchema(sqlite3* db, const std::string& path) {
  int64_t version = 0;
  {
    Statement read(db, "PRAGMA user_version");
    TY_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (row) version = read.Integer(0);
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' has schema version ", version, "; this program knows ",
                     kSchemaVersion, " and older"));
  }
  Transaction transaction(db);
  TY_RETURN_IF_ERROR(transaction.Begin());
  TY_RETURN_IF_ERROR(Run(db, kSchema));
  TY_RETURN_IF_ERROR(Run(db, absl::StrCat("PRAGMA user_version = ", kSchemaVersion).c_str()));
  return transaction.Commit();
}

absl::Status NoSuchOperation(const std::string& id) {
  return WithReason(absl::NotFoundError(absl::StrCat("there is no operation '", id, "' here")),
                    "OPERATION_NOT_FOUND", {{"operation", id}});
}

}  // namespace

bool IsFinal(v1::OperationMetadata::State state) {
  return state == State::SUCCEEDED || state == State::FAILED || state == State::CANCELLED ||
         state == State::SKIPPED;
}

absl::StatusOr<std::unique_ptr<OperationStore>> OperationStore::Open(const std::string& state_dir) {
  TY_RETURN_IF_ERROR(MakeFolders(state_dir));
  TY_ASSIGN_OR_RETURN(const int lock_fd, HoldLock(JoinPath(state_dir, "lock")));
  const std::string path = JoinPath(state_dir, "operations.db");
  const auto db = OpenDatabase(path);
  if (!db.ok()) {
    close(lock_fd);
    return db.status();
  }
  auto store = std::unique_ptr<OperationStore>(new OperationStore(*db, lock_fd));
  TY_RETURN_IF_ERROR(PrepareSchema(*db, path));
  return store;
}

OperationStore::~OperationStore() {
  sqlite3_close(db_);
  close(lock_fd_);
}

absl::StatusOr<std::optional<OperationRow>> OperationStore::Insert(const OperationRow& row) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Transaction transaction(db_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  TY_ASSIGN_OR_RETURN(std::optional<OperationRow> same,
                      FindSameRequest(db_, row.stage, row.request_id, row.request_digest));
  if (same.has_value()) return same;
  Statement insert(db_,
                   "INSERT INTO operations (id, stage, request, key_kind, request_id, "
                   "request_digest, state, metadata, owner, lease_until_us, first_epoch, epoch, "
                   "attempt, cancel_requested, job_dir, create_us, end_us) "
                   "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)");
  insert.Text(row.id).Text(row.stage).Blob(row.request).Number(static_cast<int64_t>(row.key_kind));
  insert.Text(row.request_id).Text(row.request_digest).Number(row.metadata.state());
  insert.Blob(row.metadata.SerializeAsString()).Text(row.owner).Number(row.lease_until_us);
  insert.Number(row.first_epoch).Number(row.epoch).Number(row.metadata.attempt());
  insert.Number(row.metadata.cancel_requested() ? 1 : 0).Text(row.job_dir).Number(row.create_us);
  TY_RETURN_IF_ERROR(insert.Execute());
  TY_RETURN_IF_ERROR(transaction.Commit());
  return std::nullopt;
}

absl::StatusOr<std::optional<OperationRow>> OperationStore::FindRequest(
    const std::string& stage, const std::string& request_id, const std::string& request_digest) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return FindSameRequest(db_, stage, request_id, request_digest);
}

absl::StatusOr<OperationRow> OperationStore::Get(const std::string& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement get(db_, absl::StrCat("SELECT ", kColumns, " FROM operations WHERE id = ?"));
  get.Text(id);
  TY_ASSIGN_OR_RETURN(std::vector<OperationRow> rows, RowsOf(get));
  if (rows.empty()) return NoSuchOperation(id);
  return std::move(rows[0]);
}

absl::StatusOr<std::vector<OperationRow>> OperationStore::List(const Query& query) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement list(db_, absl::StrCat("SELECT ", kColumns,
                                   " FROM operations WHERE (?1 = '' OR stage = ?1) "
                                   "AND (?2 = 0 OR state = ?2) "
                                   "AND (create_us < ?3 OR (create_us = ?3 AND id < ?4)) "
                                   "ORDER BY create_us DESC, id DESC LIMIT ?5"));
  list.Text(query.stage).Number(query.state).Number(query.before_create_us).Text(query.before_id);
  list.Number(query.limit);
  return RowsOf(list);
}

absl::StatusOr<std::vector<OperationRow>> OperationStore::Unfinished() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement list(db_, absl::StrCat("SELECT ", kColumns, " FROM operations WHERE end_us = 0 "
                                   "ORDER BY create_us, id"));
  return RowsOf(list);
}

absl::Status OperationStore::Update(const OperationRow& row) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement update(db_,
                   "UPDATE operations SET state = ?, metadata = ?, response = ?, error = ?, "
                   "first_epoch = ?, epoch = ?, attempt = ?, cancel_requested = ?, job_dir = ?, "
                   "end_us = ? WHERE id = ? AND owner = ? AND end_us = 0");
  update.Number(row.metadata.state()).Blob(row.metadata.SerializeAsString());
  row.response.has_value() ? update.Blob(row.response->SerializeAsString()) : update.Null();
  row.error.has_value() ? update.Blob(row.error->SerializeAsString()) : update.Null();
  update.Number(row.first_epoch).Number(row.epoch).Number(row.metadata.attempt());
  update.Number(row.metadata.cancel_requested() ? 1 : 0).Text(row.job_dir);
  update.Number(IsFinal(row.metadata.state()) ? EndMicros(row.metadata) : 0);
  update.Text(row.id).Text(row.owner);
  TY_RETURN_IF_ERROR(update.Execute());
  if (sqlite3_changes(db_) == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("operation '", row.id,
                                         "' has another owner now, or its end is stored already"));
}

absl::Status OperationStore::TakeOver(const std::string& id, const std::string& owner,
                                      int64_t lease_until_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement take(db_, "UPDATE operations SET owner = ?, lease_until_us = ? WHERE id = ? AND end_us = 0");
  take.Text(owner).Number(lease_until_us).Text(id);
  TY_RETURN_IF_ERROR(take.Execute());
  return sqlite3_changes(db_) == 1 ? absl::OkStatus() : NoSuchOperation(id);
}

absl::Status OperationStore::Renew(const std::string& owner, int64_t lease_until_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement renew(db_, "UPDATE operations SET lease_until_us = ? WHERE owner = ? AND end_us = 0");
  renew.Number(lease_until_us).Text(owner);
  return renew.Execute();
}

absl::Status OperationStore::Delete(const std::string& id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement remove(db_, "DELETE FROM operations WHERE id = ? AND end_us <> 0");
  remove.Text(id);
  TY_RETURN_IF_ERROR(remove.Execute());
  if (sqlite3_changes(db_) == 1) return absl::OkStatus();
  Statement find(db_, "SELECT 1 FROM operations WHERE id = ?");
  find.Text(id);
  TY_ASSIGN_OR_RETURN(const bool there, find.Step());
  if (!there) return NoSuchOperation(id);
  return absl::FailedPreconditionError(
      absl::StrCat("operation '", id, "' has not ended; cancel it or wait before deleting it"));
}

absl::StatusOr<std::vector<std::string>> OperationStore::DeleteEndedBefore(int64_t end_us) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Statement remove(db_, "DELETE FROM operations WHERE end_us <> 0 AND end_us < ? RETURNING id");
  remove.Number(end_us);
  std::vector<std::string> ids;
  while (true) {
    TY_ASSIGN_OR_RETURN(const bool more, remove.Step());
    if (!more) return ids;
    ids.push_back(remove.Bytes(0));
  }
}

}  // namespace trainyard::service
