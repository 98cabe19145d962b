// The files of operations in SQLite: damage, earlier versions, who may have them.
#include "libs/service/internal/sqlite_operation_store.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/operation_rows.h"
#include "tests/support/sqlite.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::End;
using ::trainyard::testing::IdsOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::Row;
using ::trainyard::testing::RunSql;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

class SqliteOperationStoreTest : public ::testing::Test {
 protected:
  SqliteOperationStoreTest() : store_(*OpenSqliteOperationStore(folder_.path())) {}
  TemporaryFolder folder_;
  std::unique_ptr<OperationStore> store_;
};

TEST_F(SqliteOperationStoreTest, ADamagedRowSpoilsNoOther) {
  OperationRow ended = Row("ended", "id-1");
  for (const OperationRow& row : {ended, Row("bytes"), Row("empty"), Row("well")}) {
    ASSERT_THAT(store_->Insert(row), IsOk());
  }
  End(ended);
  ASSERT_THAT(store_->Update(ended), IsOk());
  RunSql(folder_ / "operations.db",
         "UPDATE operations SET response = x'ff' WHERE id = 'ended';"
         "UPDATE operations SET metadata = x'ff' WHERE id = 'bytes';"
         "UPDATE operations SET metadata = x'' WHERE id = 'empty'");
  const auto rows = store_->List({});
  ASSERT_THAT(rows, IsOk());
  EXPECT_THAT(*rows, SizeIs(4));
  for (const OperationRow& row : *rows) {
    EXPECT_EQ(row.damage.empty(), row.id == "well") << row.id;
    if (row.damage.empty()) continue;
    EXPECT_EQ(row.metadata.state(), Metadata::FAILED);
    EXPECT_THAT(row.error->message(), HasSubstr(row.id));
  }
  EXPECT_THAT(store_->Get("ended"), IsOk());
  EXPECT_THAT(store_->FindRequest("train", "id-1", "digest"), IsOk());

  const auto unfinished = store_->Unfinished();
  ASSERT_THAT(unfinished, IsOk());
  for (OperationRow row : *unfinished) {
    row.kept_from_us = 7;
    if (row.damage.empty()) continue;
    EXPECT_THAT(store_->Quarantine(row), IsOk());
  }
  EXPECT_THAT(IdsOf(*store_->Unfinished()), ElementsAre("well"));
  EXPECT_THAT(store_->DeleteEndedBefore(8), IsOkAndHolds(ElementsAre("bytes", "empty")));
}

TEST_F(SqliteOperationStoreTest, AFolderHasOneProcess) {
  EXPECT_THAT(OpenSqliteOperationStore(folder_.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another process holds")));
}

TEST(SqliteOperationStoreOpenTest, TakesADatabaseOfVersion1) {
  const TemporaryFolder folder;
  RunSql(folder / "operations.db", R"(
    CREATE TABLE operations (
      id TEXT PRIMARY KEY, stage TEXT NOT NULL, request BLOB NOT NULL, key_kind INTEGER NOT NULL,
      request_id TEXT NOT NULL, request_digest TEXT NOT NULL, state INTEGER NOT NULL,
      metadata BLOB NOT NULL, response BLOB, error BLOB, owner TEXT NOT NULL,
      lease_until_us INTEGER NOT NULL, first_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL,
      attempt INTEGER NOT NULL, cancel_requested INTEGER NOT NULL, job_dir TEXT NOT NULL,
      create_us INTEGER NOT NULL, end_us INTEGER NOT NULL) WITHOUT ROWID;
    CREATE UNIQUE INDEX operations_by_request
      ON operations (stage, request_id) WHERE request_id <> '';
    CREATE INDEX operations_by_time ON operations (create_us, id);
    INSERT INTO operations VALUES ('a', 'train', x'00', 0, 'id-1', 'digest', 1, x'2001', NULL, NULL,
                                   'r1/a', 5, 2, 3, 1, 0, '/results', 7, 0);
    INSERT INTO operations VALUES ('b', 'train', x'00', 0, '', 'digest', 6, x'2006', NULL, NULL,
                                   'r1/a', 5, 0, 0, 1, 0, '', 8, 9);
    PRAGMA user_version = 1;)");
  const auto store = OpenSqliteOperationStore(folder.path());
  ASSERT_THAT(store, IsOk());
  const auto row = (*store)->Get("a");
  ASSERT_THAT(row, IsOk());
  EXPECT_EQ(row->damage, "");
  EXPECT_EQ(row->epoch, 3);
  EXPECT_EQ(row->create_us, 7);
  EXPECT_EQ(row->deaths, 0);
  EXPECT_THAT((*store)->Insert(Row("c", "id-1")), IsOk());
  EXPECT_THAT((*store)->DeleteEndedBefore(10), IsOkAndHolds(ElementsAre("b")));
}

}  // namespace
}  // namespace trainyard::service
