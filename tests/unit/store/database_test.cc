#include "libs/store/database.h"

#include <sys/stat.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/full_disk.h"
#include "tests/support/sqlite.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::store {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::FullDisk;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::RunSql;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class DatabaseTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Database>> Open() { return Database::Open(file_); }
  static absl::Status Add(Database& database, const std::string& name) {
    return Statement(database, "INSERT INTO names VALUES (?)").Text(name).Execute();
  }
  static absl::StatusOr<std::vector<std::string>> Names(Database& database) {
    return Statement(database, "SELECT name FROM names ORDER BY name").Column();
  }

  TemporaryFolder folder_;
  DatabaseFile file_{.folder = folder_ / "state",
                     .name = "names.db",
                     .title = "the names",
                     .schema = "CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY)"};
};

TEST_F(DatabaseTest, KeepsWhatWasStoredOverARestart) {
  EXPECT_THAT(Add(**Open(), "a"), IsOk());
  EXPECT_THAT(Names(**Open()), IsOkAndHolds(ElementsAre("a")));
}

TEST_F(DatabaseTest, AFolderHasOneProcessUntilTheLastConnectionIsClosed) {
  auto first = *Open();
  auto second = *first->Connect();
  first.reset();
  EXPECT_THAT(Open(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("'" + file_.folder + "' is in use"),
                             HasSubstr("another process holds '" + file_.folder + "/lock'"))));
  second.reset();
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(DatabaseTest, OnlyTheOwnerOfTheFilesReadsThem) {
  // As an earlier version made it.
  folder_.Write("state/names.db", "");
  ASSERT_EQ(chmod((folder_ / "state/names.db").c_str(), 0644), 0);
  const auto database = Open();
  ASSERT_THAT(database, IsOk());
  for (const char* name : {"names.db", "names.db-wal", "names.db-shm", "lock"}) {
    struct stat info;
    ASSERT_EQ(stat((file_.folder + "/" + name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsDataLoss) {
  const std::string path = folder_.Write("state/names.db", std::string(8192, 'x'));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path + ": the names: ")));
}

TEST_F(DatabaseTest, UpgradesRunOnceFromTheVersionThatIsThere) {
  ASSERT_THAT(Add(**Open(), "a"), IsOk());
  file_.upgrades = {"INSERT INTO names VALUES ('of 2')", "INSERT INTO names VALUES ('of 3')"};
  for (int times = 0; times < 2; ++times) {
    EXPECT_THAT(Names(**Open()), IsOkAndHolds(ElementsAre("a", "of 2", "of 3")));
  }
  // A new file needs none.
  file_.folder = folder_ / "new";
  EXPECT_THAT(Names(**Open()), IsOkAndHolds(IsEmpty()));
}

TEST_F(DatabaseTest, AnUpgradeThatFailsChangesNothing) {
  ASSERT_THAT(Add(**Open(), "a"), IsOk());
  file_.upgrades = {"INSERT INTO names VALUES ('b'); INSERT INTO names VALUES ('a')"};
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInternal, HasSubstr("UNIQUE")));
  file_.upgrades.clear();
  EXPECT_THAT(Names(**Open()), IsOkAndHolds(ElementsAre("a")));
}

TEST_F(DatabaseTest, ANewerVersionIsLeftAlone) {
  ASSERT_THAT(Open(), IsOk());
  RunSql(folder_ / "state/names.db", "PRAGMA user_version = 3");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("names.db: has schema version 3; this program knows 1")));
}

TEST_F(DatabaseTest, ATransactionThatIsNotCommittedDidNotHappen) {
  const auto database = *Open();
  const auto reader = *database->Connect();
  {
    Transaction transaction(*database);
    ASSERT_THAT(transaction.Begin(), IsOk());
    ASSERT_THAT(Add(*database, "a"), IsOk());
    EXPECT_THAT(Names(*reader), IsOkAndHolds(IsEmpty()));
  }
  EXPECT_THAT(Names(*database), IsOkAndHolds(IsEmpty()));
  Transaction transaction(*database);
  ASSERT_THAT(transaction.Begin(), IsOk());
  ASSERT_THAT(Add(*database, "b"), IsOk());
  ASSERT_THAT(transaction.Commit(), IsOk());
  EXPECT_THAT(Names(*reader), IsOkAndHolds(ElementsAre("b")));
}

TEST_F(DatabaseTest, ABrokenConstraintIsToldFromOtherFaults) {
  const auto database = *Open();
  ASSERT_THAT(Add(*database, "a"), IsOk());
  Statement again(*database, "INSERT INTO names VALUES (?)");
  EXPECT_THAT(again.Text("a").Execute(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("UNIQUE")));
  EXPECT_TRUE(again.broke_constraint());
  Statement nonsense(*database, "INSERT INTO others VALUES (1)");
  EXPECT_THAT(nonsense.Execute(),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("no such table")));
  EXPECT_FALSE(nonsense.broke_constraint());
}

TEST_F(DatabaseTest, AFileThatMayNotGrowIsUnavailable) {
  const auto database = *Open();
  const FullDisk full;
  EXPECT_THAT(Add(*database, std::string(100000, 'a')),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the names: a statement failed")));
}

TEST_F(DatabaseTest, AStatementRunsAgainWithOtherValues) {
  const auto database = *Open();
  Statement insert(*database, "INSERT INTO names VALUES (?)");
  for (const char* name : {"b", "a"}) {
    insert.Reset();
    ASSERT_THAT(insert.Text(name).Execute(), IsOk());
    EXPECT_EQ(database->changes(), 1);
  }
  Statement all(*database, "SELECT name, 7, NULL, ? FROM names ORDER BY name");
  const auto rows = all.Blob("").Rows([](const Statement& row) {
    EXPECT_EQ(row.Integer(1), 7);
    EXPECT_TRUE(row.IsNull(2));
    EXPECT_FALSE(row.IsNull(3));
    return row.Bytes(0);
  });
  EXPECT_THAT(rows, IsOkAndHolds(ElementsAre("a", "b")));
}

}  // namespace
}  // namespace trainyard::store
