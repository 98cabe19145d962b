// No operation works on for a run that has ended, whatever became of services and orchestrator meanwhile.
#include <future>

#include "libs/worker/rpc_status.h"
#include "tests/service/orchestrator/runs_fixture.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;

TEST_F(RunsTest, ACancelThatNobodyHeardOutlivesTheOrchestrator) {
  client_.hear_cancel = [](const std::string&) { return absl::UnavailableError("stopped"); };
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
  house_.reset();
  client_.hear_cancel = [](const std::string&) { return absl::OkStatus(); };
  house_ = std::make_unique<House>(folder_, client_);
  ASSERT_THAT(house_->runs().TakeUp(), IsOk());
  client_.AwaitCancelled(client_.started()[0].operation);
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::CANCELLED);
}

TEST_F(RunsTest, TheServiceOfARunThatEndedIsToldByTheNextProcess) {
  // The service is away for both, so that the run ends before its operation.
  client_.lose = [](const std::string&) { return absl::UnavailableError("lost for 2m"); };
  client_.hear_cancel = [](const std::string&) { return absl::UnavailableError("stopped"); };
  std::promise<void> waits;
  std::once_flag once;
  Restart([&](Environment& environment) {
    environment.wait = [&](absl::Duration, const std::stop_token& stop) {
      std::call_once(once, [&] { waits.set_value(); });
      return WaitOrStop(absl::Hours(1), stop);
    };
  });
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  waits.get_future().wait();
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::CANCELLED);
  const std::string operation = client_.started()[0].operation;
  EXPECT_THAT(house_->store().Cancels(), IsOkAndHolds(ElementsAre(std::pair("t:1", operation))));
  house_.reset();
  client_.hear_cancel = [](const std::string&) { return absl::OkStatus(); };
  house_ = std::make_unique<House>(folder_, client_);
  client_.AwaitCancelled(operation);
  // Waits for the threads that send.
  house_.reset();
  house_ = std::make_unique<House>(folder_, client_);
  EXPECT_THAT(house_->store().Cancels(), IsOkAndHolds(IsEmpty()));
}

TEST_F(RunsTest, AStartThatIsNotAnsweredIsAskedAfterUntilItsOperationCanBeCancelled) {
  std::promise<void> asked, answer;
  std::atomic<int> starts = 0;
  client_.refuse = [&, answered = answer.get_future().share()](const std::string&,
                                                               const StageCall& call) {
    if (call.validate_only || ++starts > 1) return absl::OkStatus();
    asked.set_value();
    answered.wait();
    return absl::DeadlineExceededError("no answer in time");
  };
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  asked.get_future().wait();
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
  answer.set_value();
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::CANCELLED);
  ASSERT_THAT(client_.started(), SizeIs(1));
  client_.AwaitCancelled(client_.started()[0].operation);
}

TEST_F(RunsTest, WhatWorksForARunThatCannotGoOnIsCancelled) {
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  const std::string id = run->name().substr(5);
  const auto events = *house_->store().Events(id);
  StoredRun stored = *house_->store().Get(id);
  house_.reset();
  ASSERT_THAT(RemoveTree(folder_ + "/state"), IsOk());
  house_ = std::make_unique<House>(folder_, client_);
  stored.request = "\xff";
  ASSERT_THAT(house_->store().Create(stored, events[0]), IsOk());
  for (size_t i = 1; i < events.size(); ++i) {
    ASSERT_THAT(house_->store().Append(id, events[i]), IsOk());
  }
  ASSERT_THAT(house_->runs().TakeUp(), IsOk());
  const v1::Run ended = house_->Await(run->name());
  EXPECT_EQ(ended.state(), v1::Run::FAILED);
  EXPECT_THAT(ended.error().message(), HasSubstr("does not parse"));
  EXPECT_THAT(StatesOf(ended), ElementsAre(v1::Run::FAILED, v1::Run::FAILED, v1::Run::FAILED));
  client_.AwaitCancelled(client_.started()[0].operation);
}

TEST_F(RunsTest, ALiteralKeyIsOnlyMissedByWhatIsNotBegun) {
  client_.Hold();
  v1::StartRunRequest request = Request(kChain);
  request.set_key("topsecret");
  const auto run = house_->runs().Start(request);
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  EXPECT_EQ(client_.started()[0].call.stage.key(), "topsecret");
  Restart();
  client_.AwaitFollowed(2);
  client_.Release();
  const v1::Run ended = house_->Await(run->name());
  EXPECT_THAT(StatesOf(ended), ElementsAre(v1::Run::SUCCEEDED, v1::Run::FAILED, v1::Run::SKIPPED));
  EXPECT_THAT(ended.error().message(), HasSubstr("start the run again with its key"));
  EXPECT_THAT(client_.started(), SizeIs(1));
}

TEST_F(RunsTest, AServiceThatLostTheKeyGetsItAgain) {
  std::atomic<int> tries = 0;
  client_.work = [&](const StageCall& call) -> absl::StatusOr<v1::StageResult> {
    if (++tries > 1) return FakeStageClient::WriteOutputs(call);
    return worker::WithReason(absl::FailedPreconditionError("the key was kept in memory only"),
                              "KEY_LOST");
  };
  v1::StartRunRequest request = Request(kChain);
  request.set_key("topsecret");
  const v1::Run run = Finish(request);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).attempt(), 2);
  EXPECT_EQ(client_.started()[1].call.stage.key(), "topsecret");
}

}  // namespace
}  // namespace trainyard::orchestrator
