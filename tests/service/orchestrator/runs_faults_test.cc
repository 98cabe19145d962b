// Runs whose services, disk or system fail them.
#include <sys/resource.h>

#include <csignal>
#include <future>

#include "libs/worker/rpc_status.h"
#include "tests/service/orchestrator/runs_fixture.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

const std::string kTwoTrains =
    absl::StrReplaceAll(kChain, {{"train: \"t:1\"", "train: [\"t:1\", \"t:2\"]"}});

TEST_F(RunsTest, AStartThatTimesOutIsSentAgainAsItWas) {
  std::atomic<int> refusals = 0;
  client_.refuse = [&](const std::string&, const StageCall& call) -> absl::Status {
    if (call.validate_only || call.kind->name != "prune" || ++refusals > 2) return absl::OkStatus();
    return absl::DeadlineExceededError("Deadline Exceeded");
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(1).attempt(), 1);
  EXPECT_EQ(refusals, 3);
}

TEST_F(RunsTest, AStartThatTimedOutIsNotSentElsewhere) {
  std::atomic<int> refusals = 0;
  client_.refuse = [&](const std::string& address, const StageCall& call) -> absl::Status {
    if (call.validate_only || address != "t:1" || ++refusals > 1) return absl::OkStatus();
    return absl::DeadlineExceededError("Deadline Exceeded");
  };
  const v1::Run run = Finish(kTwoTrains);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  // It may have the request: the other one would do the work twice.
  EXPECT_EQ(run.stages(0).address(), "t:1");
}

TEST_F(RunsTest, AStartThatIsNeverAnsweredEndsWithThePatience) {
  client_.refuse = [&](const std::string&, const StageCall& call) -> absl::Status {
    if (call.validate_only) return absl::OkStatus();
    return absl::DeadlineExceededError("no answer in time");
  };
  const v1::Run run = Finish(absl::StrReplaceAll(kChain, {{"epochs: 3\"", "epochs: 3\", retries: 0"}}));
  EXPECT_EQ(run.state(), v1::Run::FAILED);
  EXPECT_THAT(run.error().message(), HasSubstr("no answer in time"));
  EXPECT_LE(house_->waited_seconds(), 600);
}

TEST_F(RunsTest, AnAddressThatDoesNotAnswerIsAskedOnceForAllStages) {
  std::atomic<int> asked = 0;
  client_.refuse = [&](const std::string&, const StageCall&) -> absl::Status {
    ++asked;
    return absl::UnavailableError("nobody answered");
  };
  EXPECT_THAT(house_->runs().Start(Request(R"(
services: {train: "t:1"}
results: DIR/results
stages:
  - {name: a, kind: train, spec: "epochs: 1"}
  - {name: b, kind: train, spec: "epochs: 2"}
  - {name: c, kind: train, spec: "epochs: 3"}
)")),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("stage 'a' nobody"), HasSubstr("stage 'c' nobody"))));
  EXPECT_EQ(asked, 1);
}

TEST_F(RunsTest, WorkOfALostServiceIsDoneElsewhereAndCancelledThere) {
  client_.lose = [](const std::string& address) {
    return address == "t:1" ? absl::UnavailableError("lost for 2m") : absl::OkStatus();
  };
  const v1::Run run = Finish(kTwoTrains);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).address(), "t:2");
  EXPECT_EQ(run.stages(0).attempt(), 2);
  const auto started = client_.started();
  EXPECT_EQ(started[0].address, "t:1");
  client_.AwaitCancelled(started[0].operation);
}

TEST_F(RunsTest, ACancelIsSentAgainUntilItIsHeard) {
  std::atomic<int> tries = 0;
  client_.hear_cancel = [&](const std::string&) -> absl::Status {
    return ++tries < 4 ? absl::UnavailableError("stopped") : absl::OkStatus();
  };
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::CANCELLED);
  EXPECT_EQ(tries, 4);
}

TEST_F(RunsTest, ACancelDoesNotWaitForTheService) {
  std::promise<void> answer;
  client_.hear_cancel = [answered = answer.get_future().share()](const std::string&) {
    answered.wait();
    return absl::OkStatus();
  };
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  // Would never return if it asked the service itself.
  EXPECT_EQ(house_->runs().Cancel(run->name())->state(), v1::Run::CANCELLING);
  answer.set_value();
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::CANCELLED);
}

TEST_F(RunsTest, WorkOfTheOnlyServiceIsWaitedFor) {
  std::atomic<int> losses = 0;
  client_.lose = [&](const std::string&) {
    return ++losses <= 3 ? absl::UnavailableError("lost for 2m") : absl::OkStatus();
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).attempt(), 1);
  EXPECT_EQ(client_.cancels(), 0);
}

TEST_F(RunsTest, ACancelThatNobodyAskedForIsTriedAgain) {
  std::atomic<int> calls = 0;
  client_.work = [&](const StageCall& call) -> absl::StatusOr<v1::StageResult> {
    if (++calls == 1) return absl::CancelledError("the evaluation was cancelled");
    return FakeStageClient::WriteOutputs(call);
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).attempt(), 2);
}

TEST_F(RunsTest, SecretsOfServicesErrorsStayOutOfTheStore) {
  std::atomic<int> calls = 0;
  client_.work = [&](const StageCall&) -> absl::StatusOr<v1::StageResult> {
    ++calls;
    return absl::InternalError("cannot open with key topsecretkey");
  };
  v1::StartRunRequest request = Request(kChain);
  request.set_key("topsecretkey");
  const v1::Run run = Finish(request);
  EXPECT_EQ(run.state(), v1::Run::FAILED);
  EXPECT_EQ(calls, 2);
  const std::string id = run.name().substr(5);
  const std::vector<RunEvent> events = *house_->store().Events(id);
  for (const RunEvent& event : events) {
    EXPECT_THAT(event.payload, Not(HasSubstr("topsecretkey")));
  }
  EXPECT_THAT(run.DebugString(), AllOf(HasSubstr("[redacted]"), Not(HasSubstr("topsecretkey"))));
}

TEST_F(RunsTest, SecretsInWhyAnAttemptFailedStayOutOfTheStore) {
  std::atomic<int> losses = 0;
  client_.lose = [&](const std::string&) {
    return ++losses == 1 ? absl::InternalError("no way to topsecretkey") : absl::OkStatus();
  };
  v1::StartRunRequest request = Request(kChain);
  request.set_key("topsecretkey");
  const v1::Run run = Finish(request);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  const std::vector<RunEvent> events = *house_->store().Events(run.name().substr(5));
  for (const RunEvent& event : events) {
    EXPECT_THAT(event.payload, Not(HasSubstr("topsecretkey")));
  }
}

TEST_F(RunsTest, OneRunThatCannotBeReadDoesNotHideTheOthers) {
  const std::string good = Finish(kChain).name(), bad = Finish(kChain).name();
  const std::string id = bad.substr(5);
  const auto events = *house_->store().Events(id);
  RunEvent garbage = events.back();
  ++garbage.sequence;
  garbage.payload = "garbage";
  ASSERT_THAT(house_->store().Append(id, garbage), IsOk());
  const auto list = house_->runs().List({});
  ASSERT_THAT(list, IsOk());
  ASSERT_EQ(list->runs_size(), 2);
  EXPECT_EQ(list->runs(0).name(), bad);
  EXPECT_EQ(list->runs(0).state(), v1::Run::FAILED);
  EXPECT_EQ(worker::ReasonOf(worker::StatusFromRpc(list->runs(0).error())), "RUN_UNREADABLE");
  EXPECT_EQ(list->runs(1).name(), good);
  EXPECT_EQ(list->runs(1).state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(house_->runs().Find(bad), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(id)));
}

TEST_F(RunsTest, NamesThatAreTakenAreDrawnAgain) {
  std::atomic<uint32_t> draws = 0;
  const absl::Time now = absl::FromUnixSeconds(1700000000);
  Restart([&](Environment& environment) {
    environment.clock = [now] { return now; };
    // The first two runs draw the same name.
    environment.random = [&] { return ++draws <= 4 ? 7u : 8u; };
  });
  const v1::Run first = Finish(kChain), second = Finish(kChain);
  EXPECT_EQ(first.name(), "runs/r20231114-221320-0000000700000007");
  EXPECT_EQ(second.name(), "runs/r20231114-221320-0000000800000008");
}

TEST_F(RunsTest, RunsBeyondTheThreadsWaitAndMayBeCancelled) {
  Restart([](Environment& environment) {
    environment.max_runs = 1;
    environment.max_waiting_runs = 2;
  });
  client_.Hold();
  ASSERT_THAT(house_->runs().Start(Request(kChain)), IsOk());
  client_.AwaitFollowed(1);
  const auto second = house_->runs().Start(Request(kChain));
  const auto third = house_->runs().Start(Request(kChain));
  EXPECT_EQ(second->state(), v1::Run::PENDING);
  const auto fourth = house_->runs().Start(Request(kChain));
  EXPECT_THAT(fourth, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("2 runs wait")));
  EXPECT_EQ(worker::ReasonOf(fourth.status()), "QUEUE_FULL");
  // At once, although the first one still works.
  EXPECT_EQ(house_->runs().Cancel(second->name())->state(), v1::Run::CANCELLED);
  client_.Release();
  EXPECT_EQ(house_->Await(third->name()).state(), v1::Run::SUCCEEDED);
}

int Threads() { return static_cast<int>(ListFolder("/proc/self/task")->size()); }

TEST_F(RunsTest, EndedRunsLeaveNoThreads) {
  Restart([](Environment& environment) { environment.max_runs = 4; });
  Finish(kChain);
  const int before = Threads();
  for (int i = 0; i < 30; ++i) EXPECT_EQ(Finish(kChain).state(), v1::Run::SUCCEEDED);
  // The threads of the runs stay, and a stage's may be on its way out.
  EXPECT_LE(Threads(), before + 4);
}

TEST_F(RunsTest, ABrokenGateIsPartOfTheRun) {
  const std::string gated = R"(
services: {train: "t:1"}
results: DIR/results
stages:
  - {name: train, kind: train, spec: "epochs: 3", gates: {min: {mAP: 0.95, "AP[nut]": 0.5}, on_fail: ON_FAIL}}
)";
  const v1::Run lenient = Finish(absl::StrReplaceAll(gated, {{"ON_FAIL", "continue"}}));
  EXPECT_EQ(lenient.state(), v1::Run::SUCCEEDED);
  ASSERT_EQ(lenient.stages(0).broken_gates_size(), 2);
  const v1::Run::BrokenGate& gate = lenient.stages(0).broken_gates(0);
  EXPECT_EQ(gate.metric(), "mAP");
  EXPECT_EQ(gate.value(), 0.9);
  EXPECT_EQ(gate.bound(), 0.95);
  EXPECT_EQ(gate.on_fail(), "continue");
  EXPECT_EQ(gate.text(), "mAP is 0.9000; the gate wants at least 0.95");
  EXPECT_FALSE(lenient.stages(0).broken_gates(1).has_value());
  const v1::Run strict = Finish(absl::StrReplaceAll(gated, {{"ON_FAIL", "stop"}}));
  EXPECT_EQ(strict.state(), v1::Run::FAILED);
  EXPECT_EQ(strict.stages(0).broken_gates_size(), 2);
  EXPECT_EQ(worker::ReasonOf(worker::StatusFromRpc(strict.error())), "GATE_FAILED");
  EXPECT_EQ(worker::ReasonOf(worker::StatusFromRpc(strict.stages(0).error())), "GATE_FAILED");
}

// Lets no file grow while it lives, as a disk that is full.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limited = before_;
    limited.rlim_cur = 1;
    setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

class RunRecordTest : public ::testing::Test {
 protected:
  RunRecordTest() {
    const std::string folder = ::testing::TempDir() + "/run_record_test_" +
                               ::testing::UnitTest::GetInstance()->current_test_info()->name();
    EXPECT_THAT(RemoveTree(folder), IsOk());
    store_ = *OpenSqliteRunStore(folder);
    v1::Run run;
    run.set_name("runs/a");
    run.set_state(v1::Run::RUNNING);
    const RunEvent created{.sequence = 1, .payload = run.SerializeAsString()};
    EXPECT_THAT(store_->Create({.id = "a"}, created), IsOk());
    record_ = std::make_unique<RunRecord>("a", *Fold({created}), store_.get(), [this] {
      const std::lock_guard lock(mutex_);
      ++tries_;
      tried_.notify_all();
      return absl::Now();
    });
  }
  // Each try to store asks for the time once.
  void AwaitTries(int count) {
    std::unique_lock lock(mutex_);
    tried_.wait(lock, [&] { return tries_ >= count; });
  }

  std::mutex mutex_;
  std::condition_variable tried_;
  int tries_ = 0;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<RunRecord> record_;
};

TEST_F(RunRecordTest, AnEndIsToldOnceItIsStored) {
  std::future<absl::Status> ended;
  {
    const FullDisk full;
    ended = std::async(std::launch::async, [&] { return record_->End(v1::Run::SUCCEEDED, nullptr); });
    AwaitTries(3);
    EXPECT_EQ(record_->Snapshot().state(), v1::Run::RUNNING);
  }
  EXPECT_THAT(ended.get(), IsOk());
  EXPECT_EQ(record_->Snapshot().state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(store_->Events("a")->back().type, EventType::kRunEnded);
  EXPECT_THAT(*store_->Unfinished(), SizeIs(0));
}

TEST_F(RunRecordTest, AShutdownDoesNotWaitForTheDisk) {
  const FullDisk full;
  auto ended = std::async(std::launch::async, [&] { return record_->End(v1::Run::SUCCEEDED, nullptr); });
  AwaitTries(2);
  record_->Shutdown();
  EXPECT_THAT(ended.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(record_->Snapshot().state(), v1::Run::RUNNING);
}

TEST_F(RunRecordTest, ACancelThatCannotBeStoredIsNotGiven) {
  const FullDisk full;
  EXPECT_FALSE(record_->RequestCancel().ok());
  EXPECT_FALSE(record_->cancel_requested());
}

}  // namespace
}  // namespace trainyard::orchestrator
