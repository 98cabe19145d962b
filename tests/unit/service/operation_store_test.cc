// What every OperationStore does; a backend more is one line at the end.
#include "libs/service/operation_store.h"

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/service/internal/sqlite_operation_store.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/operation_rows.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::trainyard::testing::End;
using ::trainyard::testing::IdsOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::Row;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

// Opens the store that belongs to a folder: with the same folder, the same store.
using Open = absl::StatusOr<std::unique_ptr<OperationStore>> (*)(const std::string& folder);

class OperationStoreTest : public ::testing::TestWithParam<Open> {
 protected:
  OperationStoreTest() : store_(*GetParam()(folder_.path())) {}
  TemporaryFolder folder_;
  std::unique_ptr<OperationStore> store_;
};

TEST_P(OperationStoreTest, KeepsARowOverARestart) {
  OperationRow row = Row("a");
  row.key_kind = KeyKind::kReference;
  ASSERT_THAT(store_->Insert(row), IsOk());
  row.epoch = 3;
  row.first_epoch = 2;
  row.job_dir = "/results";
  row.metadata.mutable_progress()->set_done(5);
  ASSERT_THAT(store_->Update(row), IsOk());
  store_.reset();
  store_ = *GetParam()(folder_.path());
  const auto back = store_->Get("a");
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->key_kind, KeyKind::kReference);
  EXPECT_EQ(back->epoch, 3);
  EXPECT_EQ(back->first_epoch, 2);
  EXPECT_EQ(back->job_dir, "/results");
  EXPECT_EQ(back->metadata.progress().done(), 5);
  EXPECT_FALSE(back->response.has_value());
}

TEST_P(OperationStoreTest, ARequestIsReadOnlyForWhatIsTakenUpAgain) {
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

TEST_P(OperationStoreTest, TheSameRequestIdFindsTheSameRow) {
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

TEST_P(OperationStoreTest, RowsThatComeTogetherAreStoredAsIfOneByOne) {
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

TEST_P(OperationStoreTest, ARequestIdForAnotherRequestIsRefused) {
  ASSERT_THAT(store_->Insert(Row("a", "id-1")), IsOk());
  OperationRow other = Row("b", "id-1");
  other.request_digest = "another";
  const auto refused = store_->Insert(other);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'id-1'")));
  EXPECT_EQ(worker::ReasonOf(refused.status()), "REQUEST_ID_REUSED");
}

TEST_P(OperationStoreTest, AFinalStateIsNeverLeft) {
  OperationRow row = Row("a");
  ASSERT_THAT(store_->Insert(row), IsOk());
  End(row);
  ASSERT_THAT(store_->Update(row), IsOk());
  row.metadata.set_state(Metadata::FAILED);
  EXPECT_THAT(store_->Update(row), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(store_->Get("a")->metadata.state(), Metadata::SUCCEEDED);
  EXPECT_EQ(store_->Get("a")->response->notes(0), "done");
}

TEST_P(OperationStoreTest, OnlyTheOwnerWrites) {
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

TEST_P(OperationStoreTest, ListsTheNewestFirstAndInPages) {
  for (int i = 1; i <= 5; ++i) ASSERT_THAT(store_->Insert(Row(absl::StrCat("o", i), "", i / 2)), IsOk());
  OperationStore::Query query{.limit = 2};
  EXPECT_THAT(IdsOf(*store_->List(query)), ElementsAre("o5", "o4"));
  query.before_create_us = 2;
  query.before_id = "o4";
  EXPECT_THAT(IdsOf(*store_->List(query)), ElementsAre("o3", "o2"));
  EXPECT_THAT(IdsOf(*store_->List({.stage = "prune"})), IsEmpty());
  EXPECT_THAT(*store_->List({.state = Metadata::PENDING}), SizeIs(5));
}

TEST_P(OperationStoreTest, UnfinishedAndDeletion) {
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

TEST_P(OperationStoreTest, AllOfATakeOverOrNothing) {
  OperationRow first = Row("a"), gone = Row("b");
  ASSERT_THAT(store_->Insert(first), IsOk());
  first.owner = gone.owner = "r1/b";
  EXPECT_THAT(store_->TakeOver({first, gone}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(store_->Get("a")->owner, "r1/a");
}

TEST_P(OperationStoreTest, KeepsNumbers) {
  EXPECT_THAT(store_->SetFacts({{"a", 1}, {"b", 2}}), IsOk());
  EXPECT_THAT(store_->SetFacts({{"a", 3}}), IsOk());
  const auto facts = store_->Facts();
  ASSERT_THAT(facts, IsOk());
  EXPECT_EQ(*facts, (std::map<std::string, int64_t>{{"a", 3}, {"b", 2}}));
}

INSTANTIATE_TEST_SUITE_P(Sqlite, OperationStoreTest, ::testing::Values(&OpenSqliteOperationStore));

}  // namespace
}  // namespace trainyard::service
