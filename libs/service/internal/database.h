#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::service {

/// What SQLite said, as a status: a full disk is kResourceExhausted, damage kDataLoss, and a file that
/// cannot be written now kUnavailable.
absl::Status DatabaseStatus(sqlite3* db, absl::string_view action, int code);

/// Opens the database in a file that is there: WAL, synchronous FULL, so that what was committed
/// survives a kill and a power cut. The caller closes it.
absl::StatusOr<sqlite3*> OpenDatabase(const std::string& path);

/// Runs statements without parameters.
absl::Status RunSql(sqlite3* db, const std::string& sql);

/// A prepared statement; parameters are bound in the order of the calls.
class Statement {
 public:
  Statement(sqlite3* db, absl::string_view sql);
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
  /// Before it is bound and run once more.
  void Reset();

  std::string Bytes(int column) const;
  int64_t Integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

 private:
  Statement& Bound(int code);
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  int next_ = 1;
  int code_;
};

/// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_(db) {}
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  absl::Status Begin();
  absl::Status Commit();

 private:
  sqlite3* db_;
  bool begun_ = false;
};

}  // namespace trainyard::service
