#include "libs/service/operation_store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

OperationRow Row(const std::string& id, const std::string& request_id = "", int64_t create_us = 1) {
  OperationRow row;
  row.id = id;
  row.stage = "train";
  row.request = std::make_shared<const std::string>("bytes\0with nul", 14);
  row.request_id = request_id;
  row.request_digest = "digest";
  row.metadata.set_state(Metadata::PENDING);
  row.owner = "r1/a";
  row.create_us = create_us;
  return row;
}

std::vector<std::string> IdsOf(const std::vector<OperationRow>& rows) {
  std::vector<std::string> ids;
  for (const OperationRow& row : rows) ids.push_back(row.id);
  return ids;
}

void End(OperationRow& row, int64_t seconds = 100) {
  row.metadata.set_state(Metadata::SUCCEEDED);
  row.metadata.mutable_end_time()->set_seconds(seconds);
  row.response.emplace().add_notes("done");
}

void RunSql(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}

class OperationStoreTest : public ::testing::Test {
 protected:
  OperationStoreTest() : store_(*OperationStore::Open(folder_.path())) {}
  TemporaryFolder folder_;
  std::unique_ptr<OperationStore> store_;
};

TEST_F(OperationStoreTest, KeepsARowOverARestart) {
  OperationRow row = Row("a");
  row.key_kind = KeyKind::kReference;
  ASSERT_THAT(store_->Insert(row), IsOk());
  row.epoch = 3;
  row.first_epoch = 2;
  row.job_dir = "/results";
  row.metadata.mutable_progress()->set_done(5);
  ASSERT_THAT(store_->Update(row), IsOk());
  store_.reset();
  store_ = *OperationStore::Open(folder_.path());
  const auto back = store_->Get("a");
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->key_kind, KeyKind::kReference);
  EXPECT_EQ(back->epoch, 3);
  EXPECT_EQ(back->first_epoch, 2);
  EXPECT_EQ(back->job_dir, "/results");
  EXPECT_EQ(back->metadata.progress().done(), 5);
  EXPECT_FALSE(back->response.has_value());
}

TEST_F(OperationStoreTest, ARequestIsReadOnlyForWhatIsTakenUpAgain) {
  const OperationRow row = Row("a", "id-1");
  ASSERT_THAT(store_->Insert(row), IsOk());
  const auto unfinished = store_->Unfinished();
  ASSERT_THAT(unfinished, IsOkAndHolds(SizeIs(1)));
  ASSERT_NE((*unfinished)[0].request, nullptr);
  EXPECT_EQ(*(*unfinished)[0].request, *row.request);
  EXPECT_EQ(store_->Get("a")->request, nullptr);
  EXPECT_EQ((*store_->List({}))[0].request, nullptr);
  EXPECT_EQ((*store_->FindRequest("train", "id-1", "digest"))->request, nullptr);
}

TEST_F(OperationStoreTest, TheSameRequestIdFindsTheSameRow) {
  ASSERT_THAT(store_->Insert(Row("a", "id-1")), IsOk());
  const auto again = store_->Insert(Row("b", "id-1"));
  ASSERT_THAT(again, IsOk());
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((*again)->id, "a");
  EXPECT_THAT(store_->Get("b"), StatusIs(absl::StatusCode::kNotFound));
  // Rows without an id are never the same.
  EXPECT_THAT(store_->Insert(Row("c")), IsOk());
  EXPECT_THAT(store_->Insert(Row("d")), IsOk());
}

TEST_F(OperationStoreTest, RowsThatComeTogetherAreStoredAsIfOneByOne) {
  constexpr int kThreads = 8, kEach = 40;
  std::vector<std::thread> threads;
  std::atomic<int> stored = 0, same = 0, refused = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Of each id one is stored; a thread in four asks for something else with it.
        OperationRow row = Row(absl::StrCat(t, "-", i), absl::StrCat("id-", i));
        if (t % 4 == 3) row.request_digest = "another";
        const auto result = store_->Insert(row);
        ++(!result.ok() ? refused : result->has_value() ? same : stored);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, kEach);
  EXPECT_EQ(stored + same + refused, kThreads * kEach);
  EXPECT_GE(refused, 2 * kEach);
  EXPECT_THAT(*store_->List({.limit = 1000}), SizeIs(kEach));
}

TEST_F(OperationStoreTest, ARequestIdForAnotherRequestIsRefused) {
  ASSERT_THAT(store_->Insert(Row("a", "id-1")), IsOk());
  OperationRow other = Row("b", "id-1");
  other.request_digest = "another";
  const auto refused = store_->Insert(other);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'id-1'")));
  EXPECT_EQ(ReasonOf(refused.status()), "REQUEST_ID_REUSED");
}

TEST_F(OperationStoreTest, AFinalStateIsNeverLeft) {
  OperationRow row = Row("a");
  ASSERT_THAT(store_->Insert(row), IsOk());
  End(row);
  ASSERT_THAT(store_->Update(row), IsOk());
  row.metadata.set_state(Metadata::FAILED);
  EXPECT_THAT(store_->Update(row), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(store_->Get("a")->metadata.state(), Metadata::SUCCEEDED);
  EXPECT_EQ(store_->Get("a")->response->notes(0), "done");
}

TEST_F(OperationStoreTest, OnlyTheOwnerWrites) {
  OperationRow row = Row("a");
  ASSERT_THAT(store_->Insert(row), IsOk());
  OperationRow taken = row;
  taken.owner = "r1/b";
  ASSERT_THAT(store_->TakeOver({taken}), IsOk());
  EXPECT_THAT(store_->Update(row), StatusIs(absl::StatusCode::kAborted, HasSubstr("another owner")));
  row.owner = "r1/b";
  EXPECT_THAT(store_->Update(row), IsOk());
  ASSERT_THAT(store_->Renew("r1/b", 77), IsOk());
  EXPECT_EQ(store_->Get("a")->lease_until_us, 77);
}

TEST_F(OperationStoreTest, ListsTheNewestFirstAndInPages) {
  for (int i = 1; i <= 5; ++i) ASSERT_THAT(store_->Insert(Row(absl::StrCat("o", i), "", i / 2)), IsOk());
  OperationStore::Query query{.limit = 2};
  EXPECT_THAT(IdsOf(*store_->List(query)), ElementsAre("o5", "o4"));
  query.before_create_us = 2;
  query.before_id = "o4";
  EXPECT_THAT(IdsOf(*store_->List(query)), ElementsAre("o3", "o2"));
  EXPECT_THAT(IdsOf(*store_->List({.stage = "prune"})), IsEmpty());
  EXPECT_THAT(*store_->List({.state = Metadata::PENDING}), SizeIs(5));
}

TEST_F(OperationStoreTest, UnfinishedAndDeletion) {
  OperationRow ended = Row("ended"), waiting = Row("waiting");
  ASSERT_THAT(store_->Insert(ended), IsOk());
  ASSERT_THAT(store_->Insert(waiting), IsOk());
  End(ended);
  ASSERT_THAT(store_->Update(ended), IsOk());
  EXPECT_THAT(IdsOf(*store_->Unfinished()), ElementsAre("waiting"));
  EXPECT_THAT(store_->Delete("waiting"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                  HasSubstr("cancel it or wait")));
  EXPECT_THAT(store_->DeleteEndedBefore(99'000'000), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(store_->DeleteEndedBefore(101'000'000), IsOkAndHolds(ElementsAre("ended")));
  EXPECT_THAT(store_->Delete("ended"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OperationStoreTest, AllOfATakeOverOrNothing) {
  OperationRow first = Row("a"), gone = Row("b");
  ASSERT_THAT(store_->Insert(first), IsOk());
  first.owner = gone.owner = "r1/b";
  EXPECT_THAT(store_->TakeOver({first, gone}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(store_->Get("a")->owner, "r1/a");
}

TEST_F(OperationStoreTest, ADamagedRowSpoilsNoOther) {
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

TEST_F(OperationStoreTest, OnlyTheOwnerOfTheFilesReadsThem) {
  ASSERT_THAT(store_->Insert(Row("a")), IsOk());
  for (const char* end : {"", "-wal", "-shm"}) {
    struct stat info;
    ASSERT_EQ(stat((folder_ / "operations.db" + end).c_str(), &info), 0) << end;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << end;
  }
}

TEST_F(OperationStoreTest, KeepsNumbers) {
  EXPECT_THAT(store_->SetFacts({{"a", 1}, {"b", 2}}), IsOk());
  EXPECT_THAT(store_->SetFacts({{"a", 3}}), IsOk());
  const auto facts = store_->Facts();
  ASSERT_THAT(facts, IsOk());
  EXPECT_EQ(*facts, (std::map<std::string, int64_t>{{"a", 3}, {"b", 2}}));
}

TEST(OperationStoreOpenTest, TakesADatabaseOfVersion1) {
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
  const auto store = OperationStore::Open(folder.path());
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

TEST_F(OperationStoreTest, AFolderHasOneProcess) {
  EXPECT_THAT(OperationStore::Open(folder_.path()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another process holds")));
}

TEST_F(OperationStoreTest, AFileThatIsNoDatabaseIsDataLoss) {
  const TemporaryFolder other;
  other.Write("operations.db", std::string(8192, 'x'));
  EXPECT_THAT(OperationStore::Open(other.path()), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace trainyard::service
