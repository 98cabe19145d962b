#include "libs/service/operation_store.h"

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
  row.request = std::string("bytes\0with nul", 14);
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
  EXPECT_EQ(back->request, row.request);
  EXPECT_EQ(back->key_kind, KeyKind::kReference);
  EXPECT_EQ(back->epoch, 3);
  EXPECT_EQ(back->first_epoch, 2);
  EXPECT_EQ(back->job_dir, "/results");
  EXPECT_EQ(back->metadata.progress().done(), 5);
  EXPECT_FALSE(back->response.has_value());
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
  ASSERT_THAT(store_->TakeOver("a", "r1/b", 5), IsOk());
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
