#pragma once

#include <sqlite3.h>

#include <string>

#include "gtest/gtest.h"

namespace trainyard::testing {

/// Runs statements on a database file, behind the back of who keeps it; makes it when it is
/// missing.
inline void RunSql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

}  // namespace trainyard::testing
