#include "services/orchestrator/sqlite_run_store.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/store/database.h"

namespace trainyard::orchestrator {
namespace {

using store::Database;
using store::Statement;
using store::Transaction;

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

// Whether this very event is stored: a commit may be done although its answer was an error.
bool Has(Database& database, const std::string& id, const RunEvent& event) {
  Statement read(database, "SELECT type, payload FROM events WHERE run = ? AND sequence = ?");
  const auto found = read.Text(id).Number(event.sequence).Step();
  return found.ok() && *found && read.Integer(0) == static_cast<int>(event.type) &&
         read.Bytes(1) == event.payload;
}

absl::Status InsertEvent(Database& database, const std::string& id, const RunEvent& event) {
  Statement insert(database, "INSERT INTO events VALUES (?, ?, ?, ?, ?)");
  insert.Text(id).Number(event.sequence).Number(absl::ToUnixMicros(event.time));
  insert.Number(static_cast<int>(event.type)).Blob(event.payload);
  const absl::Status inserted = insert.Execute();
  if (!insert.broke_constraint()) return inserted;
  return absl::AbortedError(absl::StrCat("run '", id, "' has an event ", event.sequence,
                                         " already; another process writes it"));
}

absl::StatusOr<std::string> SaltOf(Database& database) {
  Statement read(database, "SELECT value FROM facts WHERE name = 'salt'");
  TY_RETURN_IF_ERROR(read.Step());
  return read.Bytes(0);
}

class SqliteRunStore final : public RunStore {
 public:
  SqliteRunStore(std::unique_ptr<Database> database, std::string salt)
      : database_(std::move(database)), salt_(std::move(salt)) {}

  absl::StatusOr<std::string> Create(const StoredRun& run, const RunEvent& created) override;
  absl::StatusOr<std::optional<std::string>> FindRequest(
      const std::string& request_id, const std::string& request_digest) override;
  absl::StatusOr<StoredRun> Get(const std::string& id) override;
  absl::StatusOr<std::vector<RunEvent>> Events(const std::string& id) override;
  absl::Status Append(const std::string& id, const RunEvent& event, const std::string& cache_key,
                      const CacheEntry* entry) override;
  absl::StatusOr<std::vector<std::string>> List(int limit, const std::string& before) override;
  absl::StatusOr<std::vector<std::string>> Unfinished() override;
  absl::StatusOr<std::optional<CacheEntry>> FindCached(const std::string& cache_key) override;
  absl::Status ForgetCached(const std::string& cache_key) override;
  absl::StatusOr<int> ForgetEndedBefore(absl::Time before) override;
  absl::Status AddCancel(const std::string& address, const std::string& operation) override;
  absl::Status RemoveCancel(const std::string& address, const std::string& operation) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Cancels() override;
  const std::string& salt() const override { return salt_; }

 private:
  // With the mutex held.
  absl::StatusOr<std::optional<std::string>> Find(const std::string& request_id,
                                                  const std::string& request_digest);
  std::mutex mutex_;
  const std::unique_ptr<Database> database_;
  const std::string salt_;
};

absl::StatusOr<std::string> SqliteRunStore::Create(const StoredRun& run, const RunEvent& created) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(*database_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  TY_ASSIGN_OR_RETURN(const std::optional<std::string> earlier,
                      Find(run.request_id, run.request_digest));
  if (earlier.has_value()) return *earlier;
  Statement insert(*database_, "INSERT INTO runs (id, request_id, request_digest, request, "
                               "had_literal_key) VALUES (?, ?, ?, ?, ?)");
  insert.Text(run.id);
  // UNIQUE does not see NULL.
  run.request_id.empty() ? insert.Null() : insert.Text(run.request_id);
  insert.Text(run.request_digest).Blob(run.request).Number(run.had_literal_key ? 1 : 0);
  const absl::Status inserted = insert.Execute();
  if (insert.broke_constraint()) {
    return absl::AlreadyExistsError(absl::StrCat("there is a run 'runs/", run.id, "' already"));
  }
  TY_RETURN_IF_ERROR(inserted);
  TY_RETURN_IF_ERROR(InsertEvent(*database_, run.id, created));
  TY_RETURN_IF_ERROR(transaction.Commit());
  return run.id;
}

absl::StatusOr<std::optional<std::string>> SqliteRunStore::FindRequest(
    const std::string& request_id, const std::string& request_digest) {
  const std::lock_guard lock(mutex_);
  return Find(request_id, request_digest);
}

absl::StatusOr<std::optional<std::string>> SqliteRunStore::Find(
    const std::string& request_id, const std::string& request_digest) {
  if (request_id.empty()) return std::nullopt;
  Statement find(*database_, "SELECT id, request_digest FROM runs WHERE request_id = ?");
  TY_ASSIGN_OR_RETURN(const bool found, find.Text(request_id).Step());
  if (!found) return std::nullopt;
  if (find.Bytes(1) == request_digest) return find.Bytes(0);
  return absl::InvalidArgumentError(
      absl::StrCat("request_id '", request_id, "' was used for another run, 'runs/", find.Bytes(0),
                   "'; every run needs its own"));
}

absl::StatusOr<StoredRun> SqliteRunStore::Get(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement get(*database_, "SELECT id, request_id, request_digest, request, had_literal_key "
                            "FROM runs WHERE id = ?");
  TY_ASSIGN_OR_RETURN(const bool found, get.Text(id).Step());
  if (!found) return absl::NotFoundError(absl::StrCat("there is no run 'runs/", id, "'"));
  return StoredRun{.id = get.Bytes(0),
                   .request_id = get.Bytes(1),
                   .request_digest = get.Bytes(2),
                   .request = get.Bytes(3),
                   .had_literal_key = get.Integer(4) != 0};
}

absl::StatusOr<std::vector<RunEvent>> SqliteRunStore::Events(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Statement read(*database_, "SELECT sequence, time_us, type, payload FROM events WHERE run = ? "
                             "ORDER BY sequence");
  TY_ASSIGN_OR_RETURN(std::vector<RunEvent> events, read.Text(id).Rows([](const Statement& row) {
    return RunEvent{.sequence = row.Integer(0),
                    .time = absl::FromUnixMicros(row.Integer(1)),
                    .type = static_cast<EventType>(row.Integer(2)),
                    .payload = row.Bytes(3)};
  }));
  if (events.empty()) return absl::NotFoundError(absl::StrCat("there is no run 'runs/", id, "'"));
  return events;
}

absl::Status SqliteRunStore::Append(const std::string& id, const RunEvent& event,
                                    const std::string& cache_key, const CacheEntry* entry) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(*database_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  if (const absl::Status inserted = InsertEvent(*database_, id, event); !inserted.ok()) {
    return absl::IsAborted(inserted) && Has(*database_, id, event) ? absl::OkStatus() : inserted;
  }
  if (event.type == EventType::kRunEnded) {
    Statement end(*database_, "UPDATE runs SET ended = 1 WHERE id = ?");
    TY_RETURN_IF_ERROR(end.Text(id).Execute());
  }
  if (entry != nullptr) {
    Statement put(*database_, "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)");
    put.Text(cache_key).Text(entry->run).Text(entry->stage);
    TY_RETURN_IF_ERROR(put.Blob(entry->result.SerializeAsString()).Execute());
  }
  return transaction.Commit();
}

absl::StatusOr<std::vector<std::string>> SqliteRunStore::List(int limit,
                                                              const std::string& before) {
  const std::lock_guard lock(mutex_);
  Statement read(*database_, "SELECT id FROM runs WHERE ?1 = '' OR number < "
                             "(SELECT number FROM runs WHERE id = ?1) ORDER BY number DESC LIMIT ?2");
  return read.Text(before).Number(limit).Column();
}

absl::StatusOr<std::vector<std::string>> SqliteRunStore::Unfinished() {
  const std::lock_guard lock(mutex_);
  return Statement(*database_, "SELECT id FROM runs WHERE ended = 0 ORDER BY number").Column();
}

absl::StatusOr<std::optional<CacheEntry>> SqliteRunStore::FindCached(const std::string& cache_key) {
  const std::lock_guard lock(mutex_);
  Statement find(*database_, "SELECT run, stage, result FROM cache WHERE key = ?");
  TY_ASSIGN_OR_RETURN(const bool found, find.Text(cache_key).Step());
  if (!found) return std::nullopt;
  CacheEntry entry{.run = find.Bytes(0), .stage = find.Bytes(1)};
  if (!entry.result.ParseFromString(find.Bytes(2))) {
    return absl::DataLossError(absl::StrCat("runs.db: cache entry '", cache_key, "' does not parse"));
  }
  return entry;
}

absl::Status SqliteRunStore::ForgetCached(const std::string& cache_key) {
  const std::lock_guard lock(mutex_);
  Statement forget(*database_, "DELETE FROM cache WHERE key = ?");
  return forget.Text(cache_key).Execute();
}

absl::Status SqliteRunStore::AddCancel(const std::string& address, const std::string& operation) {
  const std::lock_guard lock(mutex_);
  Statement add(*database_, "INSERT OR IGNORE INTO cancels VALUES (?, ?)");
  return add.Text(address).Text(operation).Execute();
}

absl::Status SqliteRunStore::RemoveCancel(const std::string& address,
                                          const std::string& operation) {
  const std::lock_guard lock(mutex_);
  Statement remove(*database_, "DELETE FROM cancels WHERE address = ? AND operation = ?");
  return remove.Text(address).Text(operation).Execute();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> SqliteRunStore::Cancels() {
  const std::lock_guard lock(mutex_);
  Statement read(*database_, "SELECT address, operation FROM cancels");
  return read.Rows([](const Statement& row) { return std::pair(row.Bytes(0), row.Bytes(1)); });
}

absl::StatusOr<int> SqliteRunStore::ForgetEndedBefore(absl::Time before) {
  const std::lock_guard lock(mutex_);
  Transaction transaction(*database_);
  TY_RETURN_IF_ERROR(transaction.Begin());
  Statement old(*database_, "SELECT runs.id FROM runs JOIN events ON events.run = runs.id "
                            "WHERE runs.ended = 1 AND events.type = ? AND events.time_us < ?");
  old.Number(static_cast<int>(EventType::kRunEnded)).Number(absl::ToUnixMicros(before));
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> ids, old.Column());
  for (const std::string& id : ids) {
    for (const char* sql : {"DELETE FROM cache WHERE run = ?", "DELETE FROM events WHERE run = ?",
                            "DELETE FROM runs WHERE id = ?"}) {
      Statement forget(*database_, sql);
      TY_RETURN_IF_ERROR(forget.Text(id).Execute());
    }
  }
  TY_RETURN_IF_ERROR(transaction.Commit());
  return static_cast<int>(ids.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunStore>> OpenSqliteRunStore(const std::string& state_dir) {
  TY_ASSIGN_OR_RETURN(auto database, Database::Open({.folder = state_dir,
                                                     .name = "runs.db",
                                                     .title = "runs.db",
                                                     .schema = kSchema}));
  TY_RETURN_IF_ERROR(database->Run("PRAGMA foreign_keys = ON"));
  TY_ASSIGN_OR_RETURN(std::string salt, SaltOf(*database));
  return std::make_unique<SqliteRunStore>(std::move(database), std::move(salt));
}

}  // namespace trainyard::orchestrator
