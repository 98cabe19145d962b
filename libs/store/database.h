#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace trainyard::store {

/// Where a database lies, and what is in it.
struct DatabaseFile {
  /// One process at a time has it, by its file `lock`. Made when missing.
  std::string folder;
  /// The name of the file in it.
  std::string name;
  /// What messages call the database.
  std::string title;
  /// Statements that make what is missing and leave what is there.
  std::string schema;
  /// The first takes a file of version 1 to version 2, before `schema` runs, and so on. The version
  /// of `schema` is one more than there are.
  std::vector<std::string> upgrades;
};

/// A connection to a SQLite database: WAL, synchronous FULL, so that what was committed survives a
/// kill and a power cut. Its files are readable by their owner only. Not thread-safe, and its
/// statements are not: the caller has a mutex for each connection.
///
/// All that asks SQLite may fail with kResourceExhausted: the disk is full; kUnavailable: the file
/// cannot be read or written now; kDataLoss: it is damaged, or no database; kInternal: anything
/// else.
class Database {
 public:
  /// Opens or makes the file and brings it to the version of the schema, in one transaction. Holds
  /// the folder's lock until the last connection is closed. kFailedPrecondition when another
  /// process holds it, or the file has a newer version.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DatabaseFile& file);
  /// One more connection to the same file: its questions do not wait for a write to reach the disk.
  absl::StatusOr<std::unique_ptr<Database>> Connect() const;
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs statements without parameters.
  absl::Status Run(const std::string& sql);
  /// How many rows the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;

 private:
  friend class Statement;
  class Lock;
  Database(std::string path, std::string title, std::shared_ptr<const Lock> lock)
      : path_(std::move(path)), title_(std::move(title)), lock_(std::move(lock)) {}
  absl::Status OpenFile();
  absl::Status BringUpToDate(const DatabaseFile& file);
  absl::Status StatusOf(int code, absl::string_view what) const;

  const std::string path_, title_;
  const std::shared_ptr<const Lock> lock_;
  sqlite3* db_ = nullptr;
};

/// A prepared statement; parameters are bound in the order of the calls. What is wrong with it or
/// with a parameter is the error of Step.
class Statement {
 public:
  /// `database` outlives it.
  Statement(Database& database, absl::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Text(absl::string_view value);
  Statement& Blob(absl::string_view value);
  Statement& Null();
  Statement& Number(int64_t value);

  /// True when there is a row.
  absl::StatusOr<bool> Step();
  absl::Status Execute();
  /// What `read` makes of each row, in their order.
  template <typename Read>
  auto Rows(Read read) -> absl::StatusOr<std::vector<decltype(read(*this))>> {
    std::vector<decltype(read(*this))> rows;
    while (true) {
      TY_ASSIGN_OR_RETURN(const bool more, Step());
      if (!more) return rows;
      rows.push_back(read(*this));
    }
  }
  /// The first column of each row.
  absl::StatusOr<std::vector<std::string>> Column();
  /// Whether Step failed because the row breaks a rule of the schema (UNIQUE, a key, a reference).
  bool broke_constraint() const;
  /// Before it is bound and run once more.
  void Reset();

  /// Of the present row.
  std::string Bytes(int column) const;
  int64_t Integer(int column) const;
  bool IsNull(int column) const;

 private:
  Statement& Bound(int code);
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  int code_;
};

/// Rolls back unless committed. Takes the right to write at once.
class Transaction {
 public:
  /// `database` outlives it.
  explicit Transaction(Database& database) : database_(database) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  absl::Status Begin();
  absl::Status Commit();

 private:
  Database& database_;
  bool begun_ = false;
};

}  // namespace trainyard::store
