#include "services/orchestrator/run_state.h"

#include "gmock/gmock.h"
#include "services/orchestrator/uuid.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

// Events in order, a second apart.
class EventList {
 public:
  EventList() {
    v1::Run run;
    run.set_name("runs/1");
    run.set_state(v1::Run::RUNNING);
    for (const char* name : {"a", "b"}) {
      run.add_stages()->set_name(name);
      run.mutable_stages(run.stages_size() - 1)->set_state(v1::Run::PENDING);
    }
    Add(EventType::kRunCreated, run.SerializeAsString());
  }
  EventList& Stage(EventType type, v1::Run::Stage change, const char* name = "a") {
    change.set_name(name);
    return Add(type, change.SerializeAsString());
  }
  EventList& Stage(EventType type, const char* name = "a") { return Stage(type, {}, name); }
  EventList& Add(EventType type, std::string payload = "") {
    const auto sequence = static_cast<int64_t>(events_.size()) + 1;
    events_.push_back({sequence, absl::FromUnixSeconds(1000 + sequence), type, std::move(payload)});
    return *this;
  }
  absl::StatusOr<RunState> Folded() const { return Fold(events_); }

 private:
  std::vector<RunEvent> events_;
};

v1::Run::Stage Started(int attempt) {
  v1::Run::Stage change;
  change.set_attempt(attempt);
  change.set_address("h:1");
  change.set_cache_key("k");
  return change;
}

TEST(FoldTest, AStageGoesThroughItsStates) {
  v1::Run::Stage submitted, done;
  submitted.set_operation("operations/train/r1/9");
  done.add_outputs()->set_sha256("ab");
  const auto state = EventList()
                         .Stage(EventType::kStageStarted, Started(1))
                         .Stage(EventType::kStageSubmitted, submitted)
                         .Stage(EventType::kStageSucceeded, done)
                         .Folded();
  ASSERT_THAT(state, IsOk());
  const v1::Run::Stage& stage = state->run.stages(0);
  EXPECT_EQ(stage.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(stage.operation(), "operations/train/r1/9");
  EXPECT_EQ(stage.outputs(0).sha256(), "ab");
  EXPECT_EQ(stage.start_time().seconds(), 1002);
  EXPECT_EQ(stage.end_time().seconds(), 1004);
  EXPECT_EQ(state->run.stages(1).state(), v1::Run::PENDING);
  EXPECT_EQ(state->run.sequence(), 4);
}

TEST(FoldTest, ARetryForgetsTheOperationAndKeepsTheAttempt) {
  v1::Run::Stage submitted;
  submitted.set_operation("operations/train/r1/9");
  const auto state = EventList()
                         .Stage(EventType::kStageStarted, Started(1))
                         .Stage(EventType::kStageSubmitted, submitted)
                         .Stage(EventType::kStageRetried)
                         .Folded();
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->run.stages(0).state(), v1::Run::PENDING);
  EXPECT_EQ(state->run.stages(0).operation(), "");
  EXPECT_EQ(state->run.stages(0).attempt(), 1);
}

TEST(FoldTest, ACancelReachesTheStagesThatWork) {
  const auto state = EventList()
                         .Stage(EventType::kStageStarted, Started(1))
                         .Add(EventType::kCancelRequested)
                         .Stage(EventType::kStageCancelled)
                         .Folded();
  ASSERT_THAT(state, IsOk());
  EXPECT_TRUE(state->cancel_requested);
  EXPECT_EQ(state->run.state(), v1::Run::CANCELLING);
  EXPECT_EQ(state->run.stages(0).state(), v1::Run::CANCELLED);
}

TEST(FoldTest, AFinalStateIsNeverLeft) {
  const EventList done =
      EventList().Stage(EventType::kStageStarted, Started(1)).Stage(EventType::kStageSucceeded);
  for (EventType type : {EventType::kStageStarted, EventType::kStageRetried, EventType::kStageVaried,
                         EventType::kStageFailed, EventType::kStageCancelled,
                         EventType::kStageSkipped, EventType::kStageSucceeded}) {
    EXPECT_THAT(EventList(done).Stage(type).Folded(),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr("cannot follow state SUCCEEDED of stage 'a'")));
  }
}

TEST(FoldTest, SuccessNeedsAStart) {
  EXPECT_THAT(EventList().Stage(EventType::kStageSucceeded).Folded(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("cannot follow state PENDING")));
}

TEST(FoldTest, NothingFollowsTheEndOfTheRun) {
  v1::Run end;
  end.set_state(v1::Run::FAILED);
  const auto ended = EventList().Add(EventType::kRunEnded, end.SerializeAsString());
  ASSERT_THAT(ended.Folded(), IsOk());
  EXPECT_THAT(EventList(ended).Stage(EventType::kStageSkipped).Folded(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("follows the end of the run")));
}

TEST(FoldTest, RefusesGapsUnknownStagesAndMissingBeginnings) {
  EXPECT_THAT(EventList().Stage(EventType::kStageSkipped, "c").Folded(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("stage 'c', which is not there")));
  EXPECT_THAT(Fold({}), StatusIs(absl::StatusCode::kDataLoss));
  RunState state = *EventList().Folded();
  EXPECT_THAT(Apply({.sequence = 3, .type = EventType::kCancelRequested}, state),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("event 3")));
  EXPECT_EQ(state.run.sequence(), 1);
}

// From RFC 4122 and Python's uuid.uuid5(uuid.NAMESPACE_DNS, "python.org").
TEST(Uuid5Test, FitsAPublishedVector) {
  EXPECT_EQ(Uuid5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "python.org"),
            "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

TEST(StageRequestIdTest, DiffersByRunStageAndAttempt) {
  const std::string id = StageRequestId("r", "s", 1);
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id, StageRequestId("r", "s", 1));
  EXPECT_NE(id, StageRequestId("r", "s", 2));
  EXPECT_NE(id, StageRequestId("r", "t", 1));
  EXPECT_NE(id, StageRequestId("q", "s", 1));
}

}  // namespace
}  // namespace trainyard::orchestrator
