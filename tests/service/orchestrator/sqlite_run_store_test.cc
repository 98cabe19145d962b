// The file of runs in SQLite: damage, earlier versions, who may have it.
#include "services/orchestrator/sqlite_run_store.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sqlite.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::RunSql;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

TEST(SqliteRunStoreTest, HasOneProcessAtATime) {
  const TemporaryFolder folder;
  const auto first = OpenSqliteRunStore(folder.path());
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(OpenSqliteRunStore(folder.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

TEST(SqliteRunStoreTest, TakesADatabaseOfVersion1) {
  const TemporaryFolder folder;
  RunSql(folder / "runs.db", R"(
    CREATE TABLE runs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
      request_id TEXT UNIQUE, request_digest TEXT NOT NULL, request BLOB NOT NULL,
      had_literal_key INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE events (run TEXT NOT NULL REFERENCES runs(id), sequence INTEGER NOT NULL,
      time_us INTEGER NOT NULL, type INTEGER NOT NULL, payload BLOB NOT NULL,
      PRIMARY KEY (run, sequence)) WITHOUT ROWID;
    CREATE TABLE cache (key TEXT PRIMARY KEY, run TEXT NOT NULL, stage TEXT NOT NULL,
      result BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE cancels (address TEXT NOT NULL, operation TEXT NOT NULL,
      PRIMARY KEY (address, operation)) WITHOUT ROWID;
    CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    INSERT INTO facts VALUES ('salt', '0123456789abcdef');
    INSERT INTO runs VALUES (7, 'a', NULL, 'digest', 'request', 0, 0);
    INSERT INTO events VALUES ('a', 1, 5, 1, 'payload');
    PRAGMA user_version = 1;)");
  const auto store = OpenSqliteRunStore(folder.path());
  ASSERT_THAT(store, IsOk());
  EXPECT_EQ((*store)->salt(), "0123456789abcdef");
  EXPECT_EQ((*store)->Get("a")->request, "request");
  EXPECT_THAT((*store)->Events("a"), IsOkAndHolds(SizeIs(1)));
  ASSERT_THAT((*store)->Create({.id = "b"}, {.sequence = 1}), IsOk());
  EXPECT_THAT((*store)->Unfinished(), IsOkAndHolds(ElementsAre("a", "b")));
}

TEST(SqliteRunStoreTest, ADamagedCacheEntryIsDataLoss) {
  const TemporaryFolder folder;
  const auto store = OpenSqliteRunStore(folder.path());
  ASSERT_THAT(store, IsOk());
  RunSql(folder / "runs.db", "INSERT INTO cache VALUES ('key', 'a', 's', x'ff')");
  EXPECT_THAT((*store)->FindCached("key"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'key'")));
  EXPECT_THAT((*store)->ForgetCached("key"), IsOk());
}

TEST(SqliteRunStoreTest, AnEventOfARunThatIsNotThereIsRefused) {
  const TemporaryFolder folder;
  const auto store = OpenSqliteRunStore(folder.path());
  ASSERT_THAT(store, IsOk());
  EXPECT_FALSE((*store)->Append("a", {.sequence = 1}).ok());
}

}  // namespace
}  // namespace trainyard::orchestrator
