// Whole runs over stage services in memory, with a real store and real files.
#include "tests/service/orchestrator/runs_fixture.h"

#include <future>
#include <set>

#include "absl/strings/match.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

TEST_F(RunsTest, AChainRunsInOrderAndHandsArtifactsOn) {
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(StatesOf(run), ElementsAre(v1::Run::SUCCEEDED, v1::Run::SUCCEEDED, v1::Run::SUCCEEDED));
  const auto started = client_.started();
  ASSERT_THAT(started, SizeIs(3));
  EXPECT_EQ(started[1].call.stage.inputs(0).uri(), run.stages(0).outputs(0).uri());
  EXPECT_EQ(started[1].call.stage.inputs(0).sha256(), run.stages(0).outputs(0).sha256());
  EXPECT_EQ(*ReadFile(run.stages(2).outputs(0).uri()), "train epochs: 2\nprune \ntrain epochs: 3");
  EXPECT_EQ(house_->reports(), 1);
}

TEST_F(RunsTest, WhatWasDoneBeforeIsTakenFromTheCache) {
  const v1::Run first = Finish(kChain);
  const v1::Run second = Finish(kChain);
  EXPECT_EQ(second.state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(StatesOf(second), ElementsAre(v1::Run::CACHED, v1::Run::CACHED, v1::Run::CACHED));
  EXPECT_EQ(second.stages(2).outputs(0).sha256(), first.stages(2).outputs(0).sha256());
  EXPECT_THAT(second.stages(2).reason(), HasSubstr("taken from " + first.name() + ", stage retrain"));
  EXPECT_THAT(client_.started(), SizeIs(3));
}

TEST_F(RunsTest, OnlyWhatChangesIsDoneAgain) {
  Finish(kChain);
  const v1::Run second =
      Finish(absl::StrReplaceAll(kChain, {{"epochs: 2", "epochs: 9"}}));
  EXPECT_THAT(StatesOf(second), ElementsAre(v1::Run::CACHED, v1::Run::CACHED, v1::Run::SUCCEEDED));
}

TEST_F(RunsTest, CachedOutputsThatChangedAreMadeAgain) {
  const v1::Run first = Finish(kChain);
  ASSERT_THAT(WriteFileAtomically(first.stages(1).outputs(0).uri(), "tampered"), IsOk());
  const v1::Run second = Finish(kChain);
  // The new prune has the same digest, so that the retraining is found again.
  EXPECT_THAT(StatesOf(second), ElementsAre(v1::Run::CACHED, v1::Run::SUCCEEDED, v1::Run::CACHED));
}

constexpr char kPrune[] = R"(
services: {prune: "p:1"}
results: DIR/results
stages:
  - {name: prune, kind: prune, inputs: {model: DIR/m.tlt}, outputs: {model: OUTPUT}}
)";

TEST_F(RunsTest, WhatChangedBeforeItWasReadIsNotFoundInTheCache) {
  const std::string pipeline = absl::StrReplaceAll(kPrune, {{"OUTPUT", "DIR/pruned.tlt"}});
  const std::string model = folder_ + "/m.tlt";
  ASSERT_THAT(WriteFileAtomically(model, "first"), IsOk());
  client_.work = [&](const StageCall& call) {
    EXPECT_THAT(WriteFileAtomically(model, "second"), IsOk());
    return FakeStageClient::WriteOutputs(call);
  };
  EXPECT_THAT(Finish(pipeline).stages(0).notes(), ElementsAre(HasSubstr("reads changed while")));
  client_.work = FakeStageClient::WriteOutputs;
  ASSERT_THAT(WriteFileAtomically(model, "first"), IsOk());
  const v1::Run second = Finish(pipeline);
  EXPECT_EQ(second.stages(0).state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(*ReadFile(folder_ + "/pruned.tlt"), "prune \nfirst");
  EXPECT_THAT(second.stages(0).notes(), IsEmpty());
  EXPECT_EQ(Finish(pipeline).stages(0).state(), v1::Run::CACHED);
}

TEST_F(RunsTest, WhatLiesElsewhereIsNotTakenForAnOutputOfThisPlace) {
  ASSERT_THAT(WriteFileAtomically(folder_ + "/m.tlt", "m"), IsOk());
  const auto finish = [&](const char* output) {
    return Finish(absl::StrReplaceAll(kPrune, {{"OUTPUT", output}})).stages(0);
  };
  finish("DIR/one.tlt");
  EXPECT_EQ(finish("DIR/two.tlt").state(), v1::Run::SUCCEEDED);
  EXPECT_TRUE(FileExists(folder_ + "/two.tlt"));
  EXPECT_EQ(finish("DIR/one.tlt").state(), v1::Run::CACHED);
  // The run's own folder is a new place each time, and is no wish for one.
  finish("\"${results}/three.tlt\"");
  EXPECT_EQ(finish("\"${results}/three.tlt\"").state(), v1::Run::CACHED);
}

TEST_F(RunsTest, AnotherTryLeavesWhatOtherStagesMadeBesideIt) {
  std::atomic<int> calls = 0;
  client_.work = [&](const StageCall& call) -> absl::StatusOr<v1::StageResult> {
    if (++calls == 2) return absl::InternalError("the worker was killed by signal 9");
    return FakeStageClient::WriteOutputs(call);
  };
  const v1::Run run = Finish(R"(
services: {train: "t:1"}
results: DIR/results
stages:
  - {name: train, kind: train, spec: "epochs: 3"}
  - name: judge
    kind: evaluate
    spec: "epochs: 3"
    inputs: {model: "${stage.train.outputs.best}"}
    outputs: {results: "${results}/train"}
)");
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED) << run.error().message();
  EXPECT_EQ(run.stages(1).attempt(), 2);
}

TEST_F(RunsTest, ForceAsksNoCache) {
  Finish(kChain);
  v1::StartRunRequest request = Request(kChain);
  request.set_force(true);
  EXPECT_THAT(StatesOf(Finish(request)),
              ElementsAre(v1::Run::SUCCEEDED, v1::Run::SUCCEEDED, v1::Run::SUCCEEDED));
}

TEST_F(RunsTest, AnotherKeyFindsNothingInTheCache) {
  v1::StartRunRequest request = Request(kChain);
  request.set_key("first-key");
  Finish(request);
  request.set_key("second-key");
  EXPECT_EQ(Finish(request).stages(0).state(), v1::Run::SUCCEEDED);
}

TEST_F(RunsTest, WhatAKeyThatCannotBeReadSealedIsNotTaken) {
  v1::StartRunRequest request = Request(kChain);
  request.set_key("env:TRAINYARD_TEST_KEY_OF_THE_SERVICES");
  Finish(request);
  // The services may have another one by now.
  EXPECT_EQ(Finish(request).stages(0).state(), v1::Run::SUCCEEDED);
}

TEST_F(RunsTest, AnEngineOfOtherHardwareIsNotTaken) {
  const std::string build = absl::StrReplaceAll(
      kChain, {{"p:1\"}", "p:1\", convert-engine: \"e:1\"}"},
               {"kind: prune, inputs", "kind: build, inputs"},
               {"${stage.prune.outputs.model}", "${stage.train.outputs.best}"}});
  client_.capabilities.add_devices("cpu one");
  Finish(build);
  EXPECT_EQ(Finish(build).stages(1).state(), v1::Run::CACHED);
  client_.capabilities.set_devices(0, "cpu two");
  const v1::Run elsewhere = Finish(build);
  EXPECT_EQ(elsewhere.stages(0).state(), v1::Run::CACHED);
  EXPECT_EQ(elsewhere.stages(1).state(), v1::Run::SUCCEEDED);
  // Nobody knows what an engine of unknown hardware runs on.
  client_.capabilities.clear_devices();
  EXPECT_EQ(Finish(build).stages(1).state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(Finish(build).stages(1).state(), v1::Run::SUCCEEDED);
}

TEST_F(RunsTest, AnOutputWhoseDigestIsWrongIsNotDone) {
  client_.work = [](const StageCall& call) {
    auto result = FakeStageClient::WriteOutputs(call);
    result->mutable_outputs(0)->set_sha256(std::string(64, '0'));
    return result;
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::FAILED);
  EXPECT_THAT(run.error().message(), AllOf(HasSubstr("stage 'train'"), HasSubstr("recorded is 0000")));
  EXPECT_THAT(StatesOf(run), ElementsAre(v1::Run::FAILED, v1::Run::SKIPPED, v1::Run::SKIPPED));
}

TEST_F(RunsTest, AnOutputThatIsNotThereIsNotDone) {
  client_.work = [](const StageCall& call) {
    auto result = FakeStageClient::WriteOutputs(call);
    EXPECT_THAT(RemoveTree(result->outputs(0).uri()), IsOk());
    return result;
  };
  EXPECT_EQ(Finish(kChain).stages(0).state(), v1::Run::FAILED);
}

TEST_F(RunsTest, ACrashedWorkerIsTriedAgainAndGoesOnFromItsCheckpoint) {
  std::atomic<int> calls = 0;
  client_.work = [&](const StageCall& call) -> absl::StatusOr<v1::StageResult> {
    if (++calls == 1) return absl::InternalError("train-worker was killed by signal 9");
    return FakeStageClient::WriteOutputs(call);
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).attempt(), 2);
  EXPECT_EQ(house_->waited_seconds(), 1);
  const auto started = client_.started();
  EXPECT_NE(started[0].call.request_id, started[1].call.request_id);
  EXPECT_FALSE(static_cast<const v1::TrainOptions&>(*started[0].call.options).resume());
  EXPECT_TRUE(static_cast<const v1::TrainOptions&>(*started[1].call.options).resume());
}

TEST_F(RunsTest, RetriesEnd) {
  client_.work = [](const StageCall&) -> absl::StatusOr<v1::StageResult> {
    return absl::InternalError("killed again");
  };
  const v1::Run run = Finish(kChain);
  EXPECT_EQ(run.state(), v1::Run::FAILED);
  EXPECT_EQ(run.stages(0).attempt(), 2);
  EXPECT_THAT(run.stages(0).error().message(), HasSubstr("killed again"));
}

TEST_F(RunsTest, WhatIsWrongIsNotTriedAgain) {
  client_.work = [](const StageCall&) -> absl::StatusOr<v1::StageResult> {
    return absl::InvalidArgumentError("the key is wrong");
  };
  EXPECT_EQ(Finish(kChain).stages(0).attempt(), 1);
}

TEST_F(RunsTest, AServiceThatIsAwayIsAskedAtItsOtherAddressFirst) {
  client_.refuse = [](const std::string& address, const StageCall&) {
    return address == "t:1" ? absl::UnavailableError("away") : absl::OkStatus();
  };
  const v1::Run run =
      Finish(absl::StrReplaceAll(kChain, {{"train: \"t:1\"", "train: [\"t:1\", \"t:2\"]"}}));
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(run.stages(0).address(), "t:2");
  EXPECT_EQ(house_->waited_seconds(), 0);
}

TEST_F(RunsTest, AFullServiceIsWaitedFor) {
  std::atomic<int> refusals = 0;
  client_.refuse = [&](const std::string&, const StageCall& call) -> absl::Status {
    if (call.validate_only || call.kind->name != "prune" || ++refusals > 3) return absl::OkStatus();
    return absl::UnavailableError("queue is full");
  };
  EXPECT_EQ(Finish(kChain).state(), v1::Run::SUCCEEDED);
  // 1 s, 2 s, 4 s.
  EXPECT_EQ(house_->waited_seconds(), 7);
}

TEST_F(RunsTest, AfterARestartWorkThatGoesOnIsFollowed) {
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  Restart();
  client_.AwaitFollowed(2);
  client_.Release();
  const v1::Run ended = house_->Await(run->name());
  EXPECT_EQ(ended.state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(client_.started(), SizeIs(3));
  EXPECT_EQ(ended.stages(0).attempt(), 1);
}

TEST_F(RunsTest, AfterARestartWorkThatIsGoneIsDoneAgain) {
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  house_.reset();
  client_.Forget();
  client_.Release();
  house_ = std::make_unique<House>(folder_, client_);
  ASSERT_THAT(house_->runs().TakeUp(), IsOk());
  const v1::Run ended = house_->Await(run->name());
  EXPECT_EQ(ended.state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(ended.stages(0).attempt(), 2);
}

TEST_F(RunsTest, ARequestWhoseAnswerWasLostIsSentAgainAsItWas) {
  // The store as a kill between sending and storing leaves it: started, not submitted.
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  const std::string id = run->name().substr(5);
  const auto events = *house_->store().Events(id);
  const StoredRun stored = *house_->store().Get(id);
  house_.reset();
  ASSERT_THAT(RemoveTree(folder_ + "/state"), IsOk());
  house_ = std::make_unique<House>(folder_, client_);
  ASSERT_EQ(events[2].type, EventType::kStageSubmitted);
  ASSERT_THAT(house_->store().Create(stored, events[0]), IsOk());
  ASSERT_THAT(house_->store().Append(id, events[1]), IsOk());
  client_.Release();
  ASSERT_THAT(house_->runs().TakeUp(), IsOk());
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(client_.started(), SizeIs(3));
}

TEST_F(RunsTest, ALiteralKeyIsNotStored) {
  client_.Hold();
  v1::StartRunRequest request = Request(kChain);
  request.set_key("topsecret");
  const auto run = house_->runs().Start(request);
  ASSERT_THAT(run, IsOk());
  EXPECT_THAT(house_->store().Get(run->name().substr(5))->request, Not(HasSubstr("topsecret")));
}

TEST_F(RunsTest, AKeyReferenceSurvivesARestart) {
  client_.Hold();
  v1::StartRunRequest request = Request(kChain);
  request.set_key("env:TRAINYARD_TEST_KEY");
  const auto run = house_->runs().Start(request);
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  Restart();
  client_.AwaitFollowed(2);
  client_.Release();
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(client_.started()[2].call.stage.key(), "env:TRAINYARD_TEST_KEY");
}

TEST_F(RunsTest, ACancelStopsTheOperationAndTheRest) {
  client_.Hold();
  const auto run = house_->runs().Start(Request(kChain));
  ASSERT_THAT(run, IsOk());
  client_.AwaitFollowed(1);
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
  const v1::Run ended = house_->Await(run->name());
  EXPECT_EQ(ended.state(), v1::Run::CANCELLED);
  EXPECT_THAT(StatesOf(ended), ElementsAre(v1::Run::CANCELLED, v1::Run::CANCELLED, v1::Run::CANCELLED));
  EXPECT_EQ(client_.cancels(), 1);
  EXPECT_THAT(house_->runs().Cancel(run->name()), IsOk());
}

TEST_F(RunsTest, StagesThatDoNotNeedEachOtherWorkSideBySide) {
  client_.Hold();
  const auto run = house_->runs().Start(Request(R"(
services: {prune: "p:1"}
results: DIR/results
stages:
  - {name: a, kind: prune, inputs: {model: DIR/model.tlt}, options: {threshold: 0.1}}
  - {name: b, kind: prune, inputs: {model: DIR/model.tlt}, options: {threshold: 0.2}}
)"));
  ASSERT_THAT(run, IsOk());
  // Would wait for ever if the second waited for the first.
  client_.AwaitFollowed(2);
  ASSERT_THAT(WriteFileAtomically(folder_ + "/model.tlt", "m"), IsOk());
  client_.Release();
  EXPECT_EQ(house_->Await(run->name()).state(), v1::Run::SUCCEEDED);
}

constexpr char kGated[] = R"(
services: {train: "t:1"}
results: DIR/results
stages:
  - name: train
    kind: train
    spec: "epochs: 3"
    gates: {min: {mAP: 0.95}, on_fail: ON_FAIL RETRY}
  - {name: next, kind: train, spec: "epochs: 1", after: [train]}
)";

std::string Gated(const char* on_fail, const char* retry = "") {
  return absl::StrReplaceAll(kGated, {{"ON_FAIL", on_fail}, {"RETRY", retry}});
}

TEST_F(RunsTest, AGateStopsARun) {
  const v1::Run run = Finish(Gated("stop"));
  EXPECT_THAT(StatesOf(run), ElementsAre(v1::Run::FAILED, v1::Run::SKIPPED));
  EXPECT_THAT(run.error().message(), HasSubstr("mAP is 0.9000; the gate wants at least 0.95"));
  // The work was good: with a lower gate it is not done again.
  const v1::Run again = Finish(absl::StrReplaceAll(Gated("stop"), {{"0.95", "0.5"}}));
  EXPECT_THAT(StatesOf(again), ElementsAre(v1::Run::CACHED, v1::Run::SUCCEEDED));
}

TEST_F(RunsTest, AGateMayOnlyWarn) {
  const v1::Run run = Finish(Gated("continue"));
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(run.stages(0).reason(), HasSubstr("gate did not hold: mAP is 0.9000"));
}

TEST_F(RunsTest, AGateMaySteer) {
  client_.work = [](const StageCall& call) {
    auto result = FakeStageClient::WriteOutputs(call);
    if (call.stage.overrides_size() > 0) result->mutable_metrics(0)->set_value(0.97);
    return result;
  };
  const v1::Run run = Finish(Gated("retry", ", retry: [epochs = 9]"));
  EXPECT_EQ(run.state(), v1::Run::SUCCEEDED);
  const auto started = client_.started();
  ASSERT_THAT(started, SizeIs(3));
  EXPECT_THAT(started[1].call.stage.overrides(), ElementsAre("epochs = 9"));
  EXPECT_FALSE(static_cast<const v1::TrainOptions&>(*started[1].call.options).resume());
  EXPECT_NE(started[0].call.stage.outputs(0).uri(), started[1].call.stage.outputs(0).uri());
}

TEST_F(RunsTest, AGateSteersOnlyOnce) {
  const v1::Run run = Finish(Gated("retry", ", retry: [epochs = 9]"));
  EXPECT_EQ(run.state(), v1::Run::FAILED);
  EXPECT_THAT(client_.started(), SizeIs(2));
}

TEST_F(RunsTest, NothingStartsWhenASpecIsWrong) {
  const auto run = house_->runs().Start(
      Request(absl::StrReplaceAll(kChain, {{"epochs: 2", "wrong: 2"}})));
  EXPECT_THAT(run, StatusIs(absl::StatusCode::kInvalidArgument,
                            AllOf(HasSubstr("stage 'retrain'"), HasSubstr("wrong is no field"))));
  EXPECT_THAT(client_.started(), IsEmpty());
}

TEST_F(RunsTest, NothingStartsWhenTheOverridesOfAGateAreWrong) {
  EXPECT_THAT(house_->runs().Start(Request(Gated("retry", ", retry: [wrong = 9]"))),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage 'train'"), HasSubstr("gates.retry"),
                             HasSubstr("wrong is no field"))));
  EXPECT_THAT(client_.started(), IsEmpty());
}

TEST_F(RunsTest, NothingStartsWhenAServiceRefusesItsStage) {
  client_.refuse = [](const std::string&, const StageCall& call) {
    return call.validate_only ? absl::NotFoundError("there is no data set") : absl::OkStatus();
  };
  EXPECT_THAT(house_->runs().Start(Request(kChain)),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("stage 'train' there is no data set")));
  EXPECT_THAT(client_.started(), IsEmpty());
}

TEST_F(RunsTest, NothingStartsWithoutAnAddress) {
  EXPECT_THAT(house_->runs().Start(Request(absl::StrReplaceAll(kChain, {{", prune: \"p:1\"", ""}}))),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("needs service 'prune', which has no address")));
}

TEST_F(RunsTest, ValidateOnlyStoresNothing) {
  v1::StartRunRequest request = Request(kChain);
  request.set_validate_only(true);
  const auto run = house_->runs().Start(request);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->name(), "");
  EXPECT_EQ(house_->runs().List({})->runs_size(), 0);
}

TEST_F(RunsTest, TheSameRequestIdGivesTheSameRun) {
  v1::StartRunRequest request = Request(kChain);
  request.set_request_id("5f7b3a39-6f0c-4a52-9d1b-b5e9a4127d1c");
  const v1::Run first = Finish(request);
  EXPECT_EQ(house_->runs().Start(request)->name(), first.name());
  request.set_force(true);
  EXPECT_THAT(house_->runs().Start(request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("was used for another run")));
}

TEST_F(RunsTest, WhoeverAsksForARunFirstSeesItsEnd) {
  ASSERT_THAT(WriteFileAtomically(folder_ + "/m.tlt", "m"), IsOk());
  v1::StartRunRequest request =
      Request(absl::StrReplaceAll(kPrune, {{"OUTPUT", "DIR/pruned.tlt"}}));
  for (int i = 0; i < 50; ++i) {
    request.set_request_id(absl::StrCat("id-", i));
    std::vector<std::future<std::shared_ptr<RunRecord>>> callers;
    for (int j = 0; j < 4; ++j) {
      callers.push_back(std::async(std::launch::async, [&] {
        const auto run = house_->runs().Start(request);
        return run.ok() ? house_->runs().Find(run->name()).value_or(nullptr) : nullptr;
      }));
    }
    for (auto& caller : callers) {
      const auto record = caller.get();
      ASSERT_NE(record, nullptr);
      house_->Await("runs/" + record->id());
      EXPECT_TRUE(IsFinal(record->Snapshot().state())) << "of its own, which nobody works on";
    }
  }
}

TEST_F(RunsTest, ListsTheNewestFirstInPages) {
  const std::string a = Finish(kChain).name(), b = Finish(kChain).name(), c = Finish(kChain).name();
  v1::ListRunsRequest request;
  request.set_page_size(2);
  const auto page = house_->runs().List(request);
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->runs_size(), 2);
  EXPECT_EQ(page->runs(0).name(), c);
  EXPECT_EQ(page->runs(1).name(), b);
  request.set_page_token(page->next_page_token());
  const auto rest = house_->runs().List(request);
  ASSERT_EQ(rest->runs_size(), 1);
  EXPECT_EQ(rest->runs(0).name(), a);
  EXPECT_EQ(rest->next_page_token(), "");
}

TEST_F(RunsTest, APageIsNoLargerThanAClientTakes) {
  client_.work = [](const StageCall& call) {
    auto result = FakeStageClient::WriteOutputs(call);
    result->add_notes(std::string(1500000, 'n'));
    return result;
  };
  ASSERT_THAT(WriteFileAtomically(folder_ + "/m.tlt", "m"), IsOk());
  for (int i = 0; i < 5; ++i) Finish(absl::StrReplaceAll(kPrune, {{"OUTPUT", "DIR/pruned.tlt"}}));
  v1::ListRunsRequest request;
  std::set<std::string> names;
  do {
    const auto page = house_->runs().List(request);
    ASSERT_THAT(page, IsOk());
    EXPECT_LT(page->ByteSizeLong(), size_t{4} << 20);
    for (const v1::Run& run : page->runs()) names.insert(run.name());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(5));
}

TEST_F(RunsTest, UnknownRunsAreNotFound) {
  EXPECT_THAT(house_->runs().Find("runs/x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(house_->runs().Find("x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trainyard::orchestrator
