#include "libs/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/writes.h"

namespace trainyard::store {
namespace {

constexpr int kBusyTimeoutMs = 5000;

absl::StatusOr<int64_t> VersionOf(Database& database) {
  Statement read(database, "PRAGMA user_version");
  TY_ASSIGN_OR_RETURN(const bool row, read.Step());
  return row ? read.Integer(0) : 0;
}

}  // namespace

class Database::Lock {
 public:
  static absl::StatusOr<std::shared_ptr<const Lock>> Take(const std::string& folder) {
    const std::string path = JoinPath(folder, "lock");
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return ErrnoStatus("open", path, errno);
    auto lock = std::make_shared<const Lock>(fd);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
    return absl::FailedPreconditionError(
        absl::StrCat("state folder '", folder, "' is in use: another process holds '", path,
                     "'; give each process a state folder of its own"));
  }
  explicit Lock(int fd) : fd_(fd) {}
  ~Lock() { close(fd_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  const int fd_;
};

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DatabaseFile& file) {
  TY_RETURN_IF_ERROR(MakeFolders(file.folder));
  TY_ASSIGN_OR_RETURN(auto lock, Lock::Take(file.folder));
  const std::string path = JoinPath(file.folder, file.name);
  // SQLite gives new files beside it the same mode.
  TY_RETURN_IF_ERROR(MakePrivateFile(path));
  for (const char* end : {"-wal", "-shm"}) {
    if (FileExists(path + end)) TY_RETURN_IF_ERROR(MakePrivateFile(path + end));
  }
  std::unique_ptr<Database> database(new Database(path, file.title, std::move(lock)));
  TY_RETURN_IF_ERROR(Annotate(database->OpenFile(), path));
  TY_RETURN_IF_ERROR(Annotate(database->BringUpToDate(file), path));
  return database;
}

absl::StatusOr<std::unique_ptr<Database>> Database::Connect() const {
  std::unique_ptr<Database> database(new Database(path_, title_, lock_));
  TY_RETURN_IF_ERROR(Annotate(database->OpenFile(), path_));
  return database;
}

absl::Status Database::OpenFile() {
  const int code =
      sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  if (code != SQLITE_OK) return StatusOf(code, "cannot open");
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  return Run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
}

Database::~Database() { sqlite3_close(db_); }

absl::Status Database::BringUpToDate(const DatabaseFile& file) {
  const int64_t known = static_cast<int64_t>(file.upgrades.size()) + 1;
  TY_ASSIGN_OR_RETURN(const int64_t version, VersionOf(*this));
  if (version > known) {
    return absl::FailedPreconditionError(
        absl::StrCat("has schema version ", version, "; this program knows ", known, " and older"));
  }
  Transaction transaction(*this);
  TY_RETURN_IF_ERROR(transaction.Begin());
  // A new file has version 0.
  for (int64_t from = version; from > 0 && from < known; ++from) {
    TY_RETURN_IF_ERROR(Run(file.upgrades[static_cast<size_t>(from) - 1]));
  }
  TY_RETURN_IF_ERROR(Run(file.schema));
  TY_RETURN_IF_ERROR(Run(absl::StrCat("PRAGMA user_version = ", known)));
  return transaction.Commit();
}

absl::Status Database::Run(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : StatusOf(code, "cannot run SQL");
}

int64_t Database::changes() const { return sqlite3_changes64(db_); }

absl::Status Database::StatusOf(int code, absl::string_view what) const {
  const std::string message = absl::StrCat(title_, ": ", what, ": ", sqlite3_errmsg(db_));
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

Statement::Statement(Database& database, absl::string_view sql) : database_(database) {
  code_ = sqlite3_prepare_v2(database.db_, sql.data(), static_cast<int>(sql.size()), &statement_,
                             nullptr);
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
  return database_.StatusOf(code_, "a statement failed");
}

absl::Status Statement::Execute() { return Step().status(); }

absl::StatusOr<std::vector<std::string>> Statement::Column() {
  return Rows([](const Statement& row) { return row.Bytes(0); });
}

bool Statement::broke_constraint() const { return (code_ & 0xFF) == SQLITE_CONSTRAINT; }

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

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Statement& Statement::Bound(int code) {
  if (code_ == SQLITE_OK) code_ = code;
  return *this;
}

Transaction::~Transaction() {
  if (begun_) database_.Run("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Begin() {
  TY_RETURN_IF_ERROR(database_.Run("BEGIN IMMEDIATE"));
  begun_ = true;
  return absl::OkStatus();
}

absl::Status Transaction::Commit() {
  TY_RETURN_IF_ERROR(database_.Run("COMMIT"));
  begun_ = false;
  return absl::OkStatus();
}

}  // namespace trainyard::store
