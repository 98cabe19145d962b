// What every RunStore does; a backend more is one line at the end.
#include "services/orchestrator/run_store.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/orchestrator/sqlite_run_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::Pair;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

// Opens the store that belongs to a folder: with the same folder, the same store.
using Open = absl::StatusOr<std::unique_ptr<RunStore>> (*)(const std::string& folder);

const RunEvent kCreated{.sequence = 1, .payload = std::string("bytes\0with nul", 14)};

class RunStoreTest : public ::testing::TestWithParam<Open> {
 protected:
  RunStoreTest() : store_(*GetParam()(folder_.path())) {}
  void Restart() {
    store_.reset();
    store_ = *GetParam()(folder_.path());
  }
  TemporaryFolder folder_;
  std::unique_ptr<RunStore> store_;
};

TEST_P(RunStoreTest, KeepsARunAndItsEventsOverARestart) {
  const absl::Time time = absl::FromUnixMicros(1234567);
  const StoredRun run{.id = "a",
                      .request_id = "id-1",
                      .request_digest = "digest",
                      .request = std::string("\0request", 8),
                      .had_literal_key = true};
  ASSERT_THAT(store_->Create(run, kCreated), IsOkAndHolds("a"));
  ASSERT_THAT(store_->Append("a", {.sequence = 2, .time = time, .type = EventType::kRunEnded}),
              IsOk());
  Restart();
  const auto back = store_->Get("a");
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->request_id, "id-1");
  EXPECT_EQ(back->request_digest, "digest");
  EXPECT_EQ(back->request, run.request);
  EXPECT_TRUE(back->had_literal_key);
  const auto events = store_->Events("a");
  ASSERT_THAT(events, IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ((*events)[0].payload, kCreated.payload);
  EXPECT_EQ((*events)[1].sequence, 2);
  EXPECT_EQ((*events)[1].time, time);
  EXPECT_EQ((*events)[1].type, EventType::kRunEnded);
}

TEST_P(RunStoreTest, WhatIsNotThereIsNotFound) {
  EXPECT_THAT(store_->Get("a"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("'runs/a'")));
  EXPECT_THAT(store_->Events("a"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("'runs/a'")));
}

TEST_P(RunStoreTest, TheSameRequestIdFindsTheSameRun) {
  const StoredRun run{.id = "a", .request_id = "id-1", .request_digest = "digest"};
  ASSERT_THAT(store_->Create(run, kCreated), IsOkAndHolds("a"));
  EXPECT_THAT(
      store_->Create({.id = "b", .request_id = "id-1", .request_digest = "digest"}, kCreated),
      IsOkAndHolds("a"));
  EXPECT_THAT(store_->Get("b"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->FindRequest("id-1", "digest"), IsOkAndHolds(Optional(Eq("a"))));
  EXPECT_THAT(store_->FindRequest("id-2", "digest"), IsOkAndHolds(Eq(std::nullopt)));
  // Runs without an id are never the same.
  EXPECT_THAT(store_->Create({.id = "c"}, kCreated), IsOkAndHolds("c"));
  EXPECT_THAT(store_->Create({.id = "d"}, kCreated), IsOkAndHolds("d"));
  EXPECT_THAT(store_->FindRequest("", ""), IsOkAndHolds(Eq(std::nullopt)));
}

TEST_P(RunStoreTest, ARequestIdForAnotherRequestIsRefused) {
  ASSERT_THAT(
      store_->Create({.id = "a", .request_id = "id-1", .request_digest = "digest"}, kCreated),
      IsOk());
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("'id-1'"), HasSubstr("'runs/a'")));
  EXPECT_THAT(
      store_->Create({.id = "b", .request_id = "id-1", .request_digest = "another"}, kCreated),
      refused);
  EXPECT_THAT(store_->FindRequest("id-1", "another"), refused);
}

TEST_P(RunStoreTest, ANameHasOneRun) {
  ASSERT_THAT(store_->Create({.id = "a", .request = "first"}, kCreated), IsOk());
  EXPECT_THAT(store_->Create({.id = "a", .request = "second"}, kCreated),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("'runs/a'")));
  EXPECT_EQ(store_->Get("a")->request, "first");
}

TEST_P(RunStoreTest, ListsTheNewestFirstAndInPages) {
  for (const char* id : {"c", "a", "b"}) ASSERT_THAT(store_->Create({.id = id}, kCreated), IsOk());
  EXPECT_THAT(store_->List(2, ""), IsOkAndHolds(ElementsAre("b", "a")));
  EXPECT_THAT(store_->List(2, "a"), IsOkAndHolds(ElementsAre("c")));
}

TEST_P(RunStoreTest, UnfinishedAreThoseWithoutAnEndTheOldestFirst) {
  for (const char* id : {"c", "a", "b"}) ASSERT_THAT(store_->Create({.id = id}, kCreated), IsOk());
  ASSERT_THAT(store_->Append("a", {.sequence = 2, .type = EventType::kRunEnded}), IsOk());
  ASSERT_THAT(store_->Append("b", {.sequence = 2, .type = EventType::kCancelRequested}), IsOk());
  EXPECT_THAT(store_->Unfinished(), IsOkAndHolds(ElementsAre("c", "b")));
}

TEST_P(RunStoreTest, AnEventThatIsStoredAlreadyIsNoOtherWriters) {
  ASSERT_THAT(store_->Create({.id = "a"}, kCreated), IsOk());
  const RunEvent event{.sequence = 2, .type = EventType::kCancelRequested};
  EXPECT_THAT(store_->Append("a", event), IsOk());
  EXPECT_THAT(store_->Append("a", event), IsOk());
  EXPECT_THAT(store_->Append("a", {.sequence = 2, .type = EventType::kRunEnded}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("another process")));
  EXPECT_THAT(store_->Events("a"), IsOkAndHolds(SizeIs(2)));
}

TEST_P(RunStoreTest, ACacheEntryIsStoredWithItsEventOrNotAtAll) {
  ASSERT_THAT(store_->Create({.id = "a"}, kCreated), IsOk());
  CacheEntry entry{.run = "a", .stage = "s"};
  entry.result.add_notes("first");
  EXPECT_THAT(
      store_->Append("a", {.sequence = 1, .type = EventType::kStageSucceeded}, "key", &entry),
      StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(store_->FindCached("key")->has_value());
  ASSERT_THAT(
      store_->Append("a", {.sequence = 2, .type = EventType::kStageSucceeded}, "key", &entry),
      IsOk());
  entry.result.set_notes(0, "second");
  ASSERT_THAT(
      store_->Append("a", {.sequence = 3, .type = EventType::kStageSucceeded}, "key", &entry),
      IsOk());
  const auto found = store_->FindCached("key");
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->run, "a");
  EXPECT_EQ((*found)->stage, "s");
  EXPECT_THAT((*found)->result.notes(), ElementsAre("second"));
  EXPECT_THAT(store_->ForgetCached("key"), IsOk());
  EXPECT_FALSE(store_->FindCached("key")->has_value());
}

TEST_P(RunStoreTest, ForgetsWhatEndedLongAgoWithItsCache) {
  const absl::Time now = absl::Now();
  const auto add = [&](const std::string& id, absl::Time time, bool ended) {
    v1::Run run;
    run.set_state(v1::Run::RUNNING);
    ASSERT_THAT(store_->Create({.id = id},
                               {.sequence = 1, .time = time, .payload = run.SerializeAsString()}),
                IsOk());
    const CacheEntry entry{.run = id, .stage = "s"};
    run.set_state(v1::Run::SUCCEEDED);
    const RunEvent event{.sequence = 2,
                         .time = time,
                         .type = ended ? EventType::kRunEnded : EventType::kCancelRequested,
                         .payload = ended ? run.SerializeAsString() : ""};
    ASSERT_THAT(store_->Append(id, event, "key of " + id, &entry), IsOk());
  };
  add("old", now - absl::Hours(50), true);
  add("new", now - absl::Hours(5), true);
  add("working", now - absl::Hours(50), false);
  EXPECT_THAT(store_->ForgetEndedBefore(now - absl::Hours(24)), IsOkAndHolds(1));
  EXPECT_THAT(*store_->List(10, ""), ElementsAre("working", "new"));
  EXPECT_THAT(store_->Events("old"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(store_->FindCached("key of old")->has_value());
  EXPECT_TRUE(store_->FindCached("key of new")->has_value());
}

TEST_P(RunStoreTest, CancelsStayUntilTheyAreRemoved) {
  for (int times = 0; times < 2; ++times)
    EXPECT_THAT(store_->AddCancel("t:1", "operations/1"), IsOk());
  Restart();
  EXPECT_THAT(store_->Cancels(), IsOkAndHolds(ElementsAre(Pair("t:1", "operations/1"))));
  for (int times = 0; times < 2; ++times)
    EXPECT_THAT(store_->RemoveCancel("t:1", "operations/1"), IsOk());
  EXPECT_THAT(store_->Cancels(), IsOkAndHolds(IsEmpty()));
}

TEST_P(RunStoreTest, EachStoreHasASaltOfItsOwn) {
  const std::string salt = store_->salt();
  EXPECT_THAT(salt, SizeIs(16));
  Restart();
  EXPECT_EQ(store_->salt(), salt);
  const TemporaryFolder other;
  EXPECT_NE((*GetParam()(other.path()))->salt(), salt);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, RunStoreTest, ::testing::Values(&OpenSqliteRunStore));

}  // namespace
}  // namespace trainyard::orchestrator
