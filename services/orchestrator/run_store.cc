#include "services/orchestrator/run_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::orchestrator {
namespace {

constexpr int kSchemaVersion = 1;
constexpr char kSchema[] = R"(
  CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request_id TEXT UNIQUE,
    request_digest TEXT NOT NULL,
    request BLOB NOT NULL,
    had_literal_key INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS events (
    run TEXT NOT NULL REFERENCES runs(id),
    sequence INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    type INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (run, sequence)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cache (
    key TEXT PRIMARY KEY,
    run TEXT NOT NULL,
    stage TEXT NOT NULL,
    result BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS cancels (
    address TEXT NOT NULL,
    operation TEXT NOT NULL,
    PRIMARY KEY (address, operation)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  INSERT OR IGNORE INTO facts VALUES ('salt', randomblob(16));
)";

absl::Status SqlError(sqlite3* db, absl::string_view what) {
  const std::string message = absl::StrCat("runs.db: ", what, ": ", sqlite3_errmsg(db));
  switch (sqlite3_errcode(db)) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::Status Run(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return SqlError(db, "cannot execute");
}

// A prepared statement; parameters are bound from left to right.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) : db_(db) {
    failed_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) != SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Text(absl::string_view value) {
    sqlite3_bind_text(statement_, ++bound_, value.data(), value.size(), SQLITE_TRANSIENT);
    return *this;
  }
  // NULL when empty, so that UNIQUE does not see it.
  Statement& TextOrNull(absl::string_view value) {
    if (!value.empty()) return Text(value);
    sqlite3_bind_null(statement_, ++bound_);
    return *this;
  }
  Statement& Blob(absl::string_view value) {
    // A null pointer would bind NULL.
    sqlite3_bind_blob(statement_, ++bound_, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_TRANSIENT);
    return *this;
  }
  Statement& Int(int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }

  // True while there is a row.
  absl::StatusOr<bool> Step() {
    if (failed_) return SqlError(db_, "cannot prepare");
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return SqlError(db_, "cannot step");
  }
  std::string Bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? "" : std::string(static_cast<const char*>(data), size);
  }
  int64_t Number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  bool failed_ = false;
  int bound_ = 0;
};

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_(db), status_(Run(db, "BEGIN IMMEDIATE")) {}
  ~Transaction() {
    if (open_ && status_.ok()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  const absl::Status& status() const { return status_; }
  absl::Status Commit() {
    TY_RETURN_IF_ERROR(Run(db_, "COMMIT"));
    open_ = false;
    return absl::OkStatus();
  }

 private:
  sqlite3* db_;
  absl::Status status_;
  bool open_ = true;
};

absl::StatusOr<int> TakeLock(const std::string& state_dir) {
  const std::string path = JoinPath(state_dir, "lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open '", path, "'"));
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  close(fd);
  return absl::FailedPreconditionError(absl::StrCat(
      "state folder '", state_dir, "' is in use by another process; stop it or choose another"));
}

// Makes the file for its user alone, also one that an earlier version made for all to read. SQLite
// gives its journals the mode of the database.
absl::Status MakePrivate(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open '", path, "'"));
  const int changed = fchmod(fd, 0600);
  const int error = errno;
  close(fd);
  if (changed == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(error, absl::StrCat("cannot make '", path, "' private"));
}

// Whether this very event is stored: a commit may be done although its answer was an error.
bool Has(sqlite3* db, const std::string& id, const RunEvent& event) {
  Statement read(db, "SELECT type, payload FROM events WHERE run = ? AND sequence = ?");
  const auto found = read.Text(id).Int(event.sequence).Step();
  return found.ok() && *found && read.Number(0) == static_cast<int>(event.type) &&
         read.Bytes(1) == event.payload;
}

absl::Status InsertEvent(sqlite3* db, const std::string& id, const RunEvent& event) {
  Statement insert(db, "INSERT INTO events VALUES (?, ?, ?, ?, ?)");
  insert.Text(id).Int(event.sequence).Int(absl::ToUnixMicros(event.time));
  insert.Int(static_cast<int>(event.type)).Blob(event.payload);
  const auto stepped = insert.Step();
  if (stepped.ok()) return absl::OkStatus();
  if (sqlite3_errcode(db) == SQLITE_CONSTRAINT) {
    return absl::AbortedError(absl::StrCat("run '", id, "' has an event ", event.sequence,
                                           " already; another process writes it"));
  }
  return stepped.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunStore>> RunStore::Open(const std::string& state_dir) {
  TY_RETURN_IF_ERROR(MakeFolders(state_dir));
  TY_ASSIGN_OR_RETURN(const int lock_fd, TakeLock(state_dir));
  const std::string path = JoinPath(state_dir, "runs.db");
  if (const absl::Status made = MakePrivate(path); !made.ok()) {
    close(lock_fd);
    return made;
  }
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                                                          SQLITE_OPEN_FULLMUTEX, nullptr);
  std::unique_ptr<RunStore> store(new RunStore(db, lock_fd));
  if (code != SQLITE_OK) return Annotate(SqlError(db, "cannot open"), path);
  const absl::Status status = store->Prepare();
  if (!status.ok()) return Annotate(status, path);
  return store;
}

RunStore::~RunStore() {
  sqlite3_close(db_);
  close(lock_fd_);
}

absl::Status RunStore::Prepare() {
  TY_RETURN_IF_ERROR(Run(db_, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                              "PRAGMA busy_timeout=5000; PRAGMA foreign_keys=ON;"));
  int64_t version = 0;
  {
    Statement read(db_, "PRAGMA user_version");
    TY_RETURN_IF_ERROR(read.Step());
    version = read.Number(0);
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has schema ", version, "; this program knows up to ", kSchemaVersion));
  }
  TY_RETURN_IF_ERROR(Run(db_, kSchema));
  TY_RETURN_IF_ERROR(Run(db_, absl::StrCat("PRAGMA user_version=", kSchemaVersion).c_str()));
  Statement salt(db_, "SELECT value FROM facts WHERE name = 'salt'");
  TY_RETURN_IF_ERROR(salt.Step());
  salt_ = salt.Bytes(0);
  return absl::OkStatus();
}

absl::StatusOr<std::string> RunStore::Create(const StoredRun& run, const RunEvent& created) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(db_);
  TY_RETURN_IF_ERROR(transaction.status());
  TY_ASSIGN_OR_RETURN(const std::optional<std::string> earlier,
                      Find(run.request_id, run.request_digest));
  if (earlier.has_value()) return *earlier;
  Statement insert(db_, "INSERT INTO runs (id, request_id, request_digest, request, "
                        "had_literal_key) VALUES (?, ?, ?, ?, ?)");
  insert.Text(run.id).TextOrNull(run.request_id).Text(run.request_digest).Blob(run.request);
  const auto inserted = insert.Int(run.had_literal_key).Step();
  if (!inserted.ok() && sqlite3_errcode(db_) == SQLITE_CONSTRAINT) {
    return absl::AlreadyExistsError(absl::StrCat("there is a run 'runs/", run.id, "' already"));
  }
  TY_RETURN_IF_ERROR(inserted);
  TY_RETURN_IF_ERROR(InsertEvent(db_, run.id, created));
  TY_RETURN_IF_ERROR(transaction.Commit());
  return run.id;
}

absl::StatusOr<std::optional<std::string>> RunStore::FindRequest(
    const std::string& request_id, const std::string& request_digest) {
  const std::lock_guard lock(mutex_);
  return Find(request_id, request_digest);
}

absl::StatusOr<std::optional<std::string>> RunStore::Find(const std::string& request_id,
                                                          const std::string& request_digest) {
  if (request_id.empty()) return std::nullopt;
  Statement find(db_, "SELECT id, request_digest FROM runs WHERE request_id = ?");
  TY_ASSIGN_OR_RETURN(const bool found, find.Text(request_id).Step());
  if (!found) return std::nullopt;
  if (find.Bytes(1) == request_digest) return find.Bytes(0);
  return absl::InvalidArgumentError(
      absl::StrCat("request_id '", request_id, "' was used for another run, 'runs/", find.Bytes(0),
                   "'; every run needs its own"));
}

absl::StatusOr<StoredRun> RunStore::Get(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement get(db_, "SELECT id, request_id, request_digest, request, had_literal_key "
                     "FROM runs WHERE id = ?");
  TY_ASSIGN_OR_RETURN(const bool found, get.Text(id).Step());
  if (!found) return absl::NotFoundError(absl::StrCat("there is no run 'runs/", id, "'"));
  return StoredRun{.id = get.Bytes(0),
                   .request_id = get.Bytes(1),
                   .request_digest = get.Bytes(2),
                   .request = get.Bytes(3),
                   .had_literal_key = get.Number(4) != 0};
}

absl::StatusOr<std::vector<RunEvent>> RunStore::Events(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement read(db_, "SELECT sequence, time_us, type, payload FROM events WHERE run = ? "
                      "ORDER BY sequence");
  read.Text(id);
  std::vector<RunEvent> events;
  for (;;) {
    TY_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) break;
    events.push_back({.sequence = read.Number(0),
                      .time = absl::FromUnixMicros(read.Number(1)),
                      .type = static_cast<EventType>(read.Number(2)),
                      .payload = read.Bytes(3)});
  }
  if (events.empty()) return absl::NotFoundError(absl::StrCat("there is no run 'runs/", id, "'"));
  return events;
}

absl::Status RunStore::Append(const std::string& id, const RunEvent& event,
                              const std::string& cache_key, const CacheEntry* entry) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(db_);
  TY_RETURN_IF_ERROR(transaction.status());
  if (const absl::Status inserted = InsertEvent(db_, id, event); !inserted.ok()) {
    return absl::IsAborted(inserted) && Has(db_, id, event) ? absl::OkStatus() : inserted;
  }
  if (event.type == EventType::kRunEnded) {
    Statement end(db_, "UPDATE runs SET ended = 1 WHERE id = ?");
    TY_RETURN_IF_ERROR(end.Text(id).Step());
  }
  if (entry != nullptr) {
    Statement put(db_, "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)");
    put.Text(cache_key).Text(entry->run).Text(entry->stage);
    TY_RETURN_IF_ERROR(put.Blob(entry->result.SerializeAsString()).Step());
  }
  return transaction.Commit();
}

absl::StatusOr<std::vector<std::string>> RunStore::List(int limit, const std::string& before) {
  const std::lock_guard lock(mutex_);
  Statement read(db_, "SELECT id FROM runs WHERE ?1 = '' OR number < "
                      "(SELECT number FROM runs WHERE id = ?1) ORDER BY number DESC LIMIT ?2");
  read.Text(before).Int(limit);
  std::vector<std::string> ids;
  for (;;) {
    TY_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return ids;
    ids.push_back(read.Bytes(0));
  }
}

absl::StatusOr<std::vector<std::string>> RunStore::Unfinished() {
  const std::lock_guard lock(mutex_);
  Statement read(db_, "SELECT id FROM runs WHERE ended = 0 ORDER BY number");
  std::vector<std::string> ids;
  for (;;) {
    TY_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return ids;
    ids.push_back(read.Bytes(0));
  }
}

absl::StatusOr<std::optional<CacheEntry>> RunStore::FindCached(const std::string& cache_key) {
  const std::lock_guard lock(mutex_);
  Statement find(db_, "SELECT run, stage, result FROM cache WHERE key = ?");
  TY_ASSIGN_OR_RETURN(const bool found, find.Text(cache_key).Step());
  if (!found) return std::nullopt;
  CacheEntry entry{.run = find.Bytes(0), .stage = find.Bytes(1)};
  if (!entry.result.ParseFromString(find.Bytes(2))) {
    return absl::DataLossError(absl::StrCat("runs.db: cache entry '", cache_key, "' does not parse"));
  }
  return entry;
}

absl::Status RunStore::ForgetCached(const std::string& cache_key) {
  const std::lock_guard lock(mutex_);
  Statement forget(db_, "DELETE FROM cache WHERE key = ?");
  return forget.Text(cache_key).Step().status();
}

absl::Status RunStore::AddCancel(const std::string& address, const std::string& operation) {
  const std::lock_guard lock(mutex_);
  Statement add(db_, "INSERT OR IGNORE INTO cancels VALUES (?, ?)");
  return add.Text(address).Text(operation).Step().status();
}

absl::Status RunStore::RemoveCancel(const std::string& address, const std::string& operation) {
  const std::lock_guard lock(mutex_);
  Statement remove(db_, "DELETE FROM cancels WHERE address = ? AND operation = ?");
  return remove.Text(address).Text(operation).Step().status();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> RunStore::Cancels() {
  const std::lock_guard lock(mutex_);
  Statement read(db_, "SELECT address, operation FROM cancels");
  std::vector<std::pair<std::string, std::string>> cancels;
  for (;;) {
    TY_ASSIGN_OR_RETURN(const bool more, read.Step());
    if (!more) return cancels;
    cancels.emplace_back(read.Bytes(0), read.Bytes(1));
  }
}

absl::StatusOr<int> RunStore::ForgetEndedBefore(absl::Time before) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(db_);
  TY_RETURN_IF_ERROR(transaction.status());
  std::vector<std::string> ids;
  {
    Statement old(db_, "SELECT runs.id FROM runs JOIN events ON events.run = runs.id "
                       "WHERE runs.ended = 1 AND events.type = ? AND events.time_us < ?");
    old.Int(static_cast<int>(EventType::kRunEnded)).Int(absl::ToUnixMicros(before));
    for (;;) {
      TY_ASSIGN_OR_RETURN(const bool more, old.Step());
      if (!more) break;
      ids.push_back(old.Bytes(0));
    }
  }
  for (const std::string& id : ids) {
    for (const char* sql : {"DELETE FROM cache WHERE run = ?", "DELETE FROM events WHERE run = ?",
                            "DELETE FROM runs WHERE id = ?"}) {
      Statement forget(db_, sql);
      TY_RETURN_IF_ERROR(forget.Text(id).Step());
    }
  }
  TY_RETURN_IF_ERROR(transaction.Commit());
  return static_cast<int>(ids.size());
}

}  // namespace trainyard::orchestrator
