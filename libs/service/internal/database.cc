#include "libs/service/internal/database.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace trainyard::service {
namespace {

constexpr int kBusyTimeoutMs = 5000;

}  // namespace

absl::Status DatabaseStatus(sqlite3* db, absl::string_view action, int code) {
  const std::string message =
      absl::StrCat("the operations database: ", action, ": ",
                   db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code));
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_BUSY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<sqlite3*> OpenDatabase(const std::string& path) {
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  absl::Status status = code == SQLITE_OK
                            ? absl::OkStatus()
                            : DatabaseStatus(db, absl::StrCat("open '", path, "'"), code);
  if (status.ok()) {
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, kBusyTimeoutMs);
    status = RunSql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  }
  if (!status.ok()) {
    sqlite3_close(db);
    return status;
  }
  return db;
}

absl::Status RunSql(sqlite3* db, const std::string& sql) {
  const int code = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : DatabaseStatus(db, "cannot run SQL", code);
}

Statement::Statement(sqlite3* db, absl::string_view sql) : db_(db) {
  code_ = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::Text(absl::string_view value) {
  return Bound(sqlite3_bind_text64(statement_, next_++, value.data(), value.size(),
                                   SQLITE_TRANSIENT, SQLITE_UTF8));
}

Statement& Statement::Blob(absl::string_view value) {
  // A null pointer would bind NULL.
  return Bound(sqlite3_bind_blob64(statement_, next_++, value.empty() ? "" : value.data(),
                                   value.size(), SQLITE_TRANSIENT));
}

Statement& Statement::Null() { return Bound(sqlite3_bind_null(statement_, next_++)); }

Statement& Statement::Number(int64_t value) {
  return Bound(sqlite3_bind_int64(statement_, next_++, value));
}

absl::StatusOr<bool> Statement::Step() {
  if (code_ == SQLITE_OK) code_ = sqlite3_step(statement_);
  if (code_ == SQLITE_ROW) {
    code_ = SQLITE_OK;
    return true;
  }
  if (code_ == SQLITE_DONE) return false;
  return DatabaseStatus(db_, "a statement failed", code_);
}

absl::Status Statement::Execute() {
  TY_ASSIGN_OR_RETURN([[maybe_unused]] const bool row, Step());
  return absl::OkStatus();
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  next_ = 1;
  if (code_ == SQLITE_DONE) code_ = SQLITE_OK;
}

std::string Statement::Bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return data == nullptr
             ? ""
             : std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

Statement& Statement::Bound(int code) {
  if (code_ == SQLITE_OK) code_ = code;
  return *this;
}

Transaction::~Transaction() {
  if (begun_) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

absl::Status Transaction::Begin() {
  TY_RETURN_IF_ERROR(RunSql(db_, "BEGIN IMMEDIATE"));
  begun_ = true;
  return absl::OkStatus();
}

absl::Status Transaction::Commit() {
  TY_RETURN_IF_ERROR(RunSql(db_, "COMMIT"));
  begun_ = false;
  return absl::OkStatus();
}

}  // namespace trainyard::service
