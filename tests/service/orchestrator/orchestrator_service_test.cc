// The orchestrator as its clients see it: a server in this process over stage services in memory.
#include "services/orchestrator/orchestrator_service.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/report/ledger.h"
#include "libs/service/client.h"
#include "libs/service/server.h"
#include "services/orchestrator/orchestrator_program.h"
#include "tests/service/orchestrator/fake_stage_client.h"
#include "tests/support/status_matchers.h"

namespace trainyard::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using Stub = v1::OrchestratorService::Stub;

constexpr char kPipeline[] = R"(
name: two
results: DIR/results
stages:
  - {name: prune, kind: prune, inputs: {model: DIR/model.tlt}}
  - {name: again, kind: prune, inputs: {model: "${stage.prune.outputs.model}"}}
)";

class OrchestratorServiceTest : public ::testing::Test {
 protected:
  OrchestratorServiceTest()
      : folder_(::testing::TempDir() + "/orchestrator_service_test_" +
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    EXPECT_THAT(RemoveTree(folder_), IsOk());
    EXPECT_THAT(MakeFolders(folder_), IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/model.tlt", "m"), IsOk());
    auto client = std::make_unique<FakeStageClient>();
    client_ = client.get();
    service::ServerOptions options;
    options.service = "orchestrator";
    options.address = "";
    options.workspace = folder_;
    options.state_dir = folder_ + "/state";
    auto server = service::Server::Start(
        options,
        [&](service::Chassis& chassis)
            -> absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> {
          OrchestratorOptions mine;
          mine.state_dir = folder_ + "/state/runs";
          mine.workspace = &chassis.workspace;
          mine.services = {{"prune", {"p:1"}}};
          mine.client = std::move(client);
          TY_ASSIGN_OR_RETURN(auto orchestrator, Orchestrator::Create(std::move(mine)));
          std::vector<std::unique_ptr<grpc::Service>> services;
          services.push_back(
              std::make_unique<OrchestratorService>(std::move(orchestrator), chassis.pool,
                                                    absl::Milliseconds(20)));
          return services;
        });
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = v1::OrchestratorService::NewStub(server_->InProcessChannel());
  }
  v1::StartRunRequest Request() const {
    v1::StartRunRequest request;
    request.set_pipeline(absl::StrReplaceAll(kPipeline, {{"DIR", folder_}}));
    return request;
  }
  absl::StatusOr<v1::StartRunResponse> Start(const v1::StartRunRequest& request) {
    return service::Call(*stub_, &Stub::StartRun, request);
  }
  std::vector<v1::Run> WatchToTheEnd(const std::string& name) {
    grpc::ClientContext context;
    v1::WatchRunRequest request;
    request.set_name(name);
    const auto stream = stub_->WatchRun(&context, request);
    std::vector<v1::Run> runs;
    for (v1::WatchRunResponse response; stream->Read(&response);) runs.push_back(response.run());
    EXPECT_THAT(service::StatusFrom(stream->Finish()), IsOk());
    return runs;
  }

  const std::string folder_;
  FakeStageClient* client_ = nullptr;
  std::unique_ptr<service::Server> server_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(OrchestratorServiceTest, ARunCanBeStartedWatchedAndRead) {
  const auto started = Start(Request());
  ASSERT_THAT(started, IsOk());
  const std::string name = started->run().name();
  EXPECT_FALSE(started->run().results_uri().empty());
  const std::vector<v1::Run> states = WatchToTheEnd(name);
  ASSERT_FALSE(states.empty());
  EXPECT_EQ(states.back().state(), v1::Run::SUCCEEDED);
  for (size_t i = 1; i < states.size(); ++i) {
    EXPECT_GE(states[i].sequence(), states[i - 1].sequence());
  }
  v1::GetRunRequest get;
  get.set_name(name);
  EXPECT_EQ(service::Call(*stub_, &Stub::GetRun, get)->run().state(), v1::Run::SUCCEEDED);
  EXPECT_EQ(service::Call(*stub_, &Stub::ListRuns, v1::ListRunsRequest())->runs_size(), 1);
}

TEST_F(OrchestratorServiceTest, TheReportIsThereWhenTheEndIsSeen) {
  const auto started = Start(Request());
  ASSERT_THAT(started, IsOk());
  WatchToTheEnd(started->run().name());
  const auto ledger = report::LoadLedger(started->run().results_uri() + "/ledger.json");
  ASSERT_THAT(ledger, IsOk());
  EXPECT_THAT(ledger->rows, SizeIs(2));
  EXPECT_TRUE(FileExists(started->run().results_uri() + "/report.html"));
}

TEST_F(OrchestratorServiceTest, TheReportIsWherePathMapPutsTheResults) {
  v1::StartRunRequest request;
  request.set_pipeline(absl::StrReplaceAll(R"(
path_map: {/elsewhere: DIR}
results: /elsewhere/results
stages:
  - {name: prune, kind: prune, inputs: {model: DIR/model.tlt}, outputs: {model: DIR/pruned.tlt}}
)", {{"DIR", folder_}}));
  const auto started = Start(request);
  ASSERT_THAT(started, IsOk());
  const std::string name = started->run().name();
  EXPECT_EQ(WatchToTheEnd(name).back().state(), v1::Run::SUCCEEDED);
  EXPECT_TRUE(FileExists(folder_ + "/results/" + name.substr(5) + "/report.html"));
}

TEST_F(OrchestratorServiceTest, ResultsOutsideOfTheWorkspaceAreRefusedAtOnce) {
  v1::StartRunRequest request = Request();
  request.set_pipeline(absl::StrReplaceAll(request.pipeline(), {{folder_ + "/results", "../x"}}));
  EXPECT_THAT(Start(request), StatusIs(absl::StatusCode::kPermissionDenied,
                                       HasSubstr("results '../x/run' leaves the workspace")));
}

TEST_F(OrchestratorServiceTest, ProblemsOfAPipelineAreFieldViolations) {
  v1::StartRunRequest request;
  request.set_pipeline("stages: [{name: a, kind: prun}, {name: a, kind: prune}]");
  const auto started = Start(request);
  EXPECT_THAT(started, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("pipeline.yaml:1:26: a.kind is 'prun'")));
  EXPECT_GE(ProblemsFrom(started.status()).size(), 3u);
}

TEST_F(OrchestratorServiceTest, ACancelEndsTheWatch) {
  client_->Hold();
  const auto started = Start(Request());
  ASSERT_THAT(started, IsOk());
  client_->AwaitFollowed(1);
  v1::CancelRunRequest cancel;
  cancel.set_name(started->run().name());
  ASSERT_THAT(service::Call(*stub_, &Stub::CancelRun, cancel), IsOk());
  EXPECT_EQ(WatchToTheEnd(started->run().name()).back().state(), v1::Run::CANCELLED);
}

TEST_F(OrchestratorServiceTest, AWatchOfARunThatStandsStillIsNotSilent) {
  client_->Hold();
  const auto started = Start(Request());
  ASSERT_THAT(started, IsOk());
  client_->AwaitFollowed(1);
  grpc::ClientContext context;
  v1::WatchRunRequest request;
  request.set_name(started->run().name());
  const auto stream = stub_->WatchRun(&context, request);
  v1::WatchRunResponse response;
  // Nothing happens to the run meanwhile.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.run().state(), v1::Run::RUNNING);
  client_->Release();
  while (stream->Read(&response)) {
  }
  EXPECT_EQ(response.run().state(), v1::Run::SUCCEEDED);
  EXPECT_THAT(service::StatusFrom(stream->Finish()), IsOk());
}

TEST_F(OrchestratorServiceTest, StartsThatWaitForSilentServicesKeepNobodyElseWaiting) {
  std::promise<void> answer;
  const auto answered = answer.get_future().share();
  std::atomic<int> asked = 0;
  client_->refuse = [&](const std::string&, const StageCall&) {
    ++asked;
    answered.wait();
    return absl::UnavailableError("nobody answered");
  };
  std::vector<std::future<absl::Status>> starts;
  // More than any pool has threads: what waits for a thread is no matter here.
  for (int i = 0; i < 40; ++i) {
    starts.push_back(std::async(std::launch::async, [&] { return Start(Request()).status(); }));
  }
  while (asked < 12) std::this_thread::yield();
  v1::GetRunRequest get;
  get.set_name("runs/none");
  EXPECT_THAT(service::Call(*stub_, &Stub::GetRun, get, {.deadline = absl::Seconds(30)}),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(service::Call(*stub_, &Stub::ListRuns, {}, {.deadline = absl::Seconds(30)}), IsOk());
  answer.set_value();
  for (auto& start : starts) EXPECT_THAT(start.get(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(OrchestratorServiceTest, ARefusalDoesNotRepeatALiteralKey) {
  v1::StartRunRequest request;
  request.set_pipeline("stages: [{name: a, kind: topsecretkey}]");
  request.set_key("topsecretkey");
  const auto started = Start(request);
  EXPECT_THAT(started, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[redacted]")));
  EXPECT_THAT(started.status().ToString(), Not(HasSubstr("topsecretkey")));
}

TEST_F(OrchestratorServiceTest, UnknownRunsAreNotFound) {
  v1::GetRunRequest get;
  get.set_name("runs/none");
  EXPECT_THAT(service::Call(*stub_, &Stub::GetRun, get), StatusIs(absl::StatusCode::kNotFound));
  grpc::ClientContext context;
  v1::WatchRunRequest watch;
  watch.set_name("runs/none");
  const auto stream = stub_->WatchRun(&context, watch);
  v1::WatchRunResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(service::StatusFrom(stream->Finish()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OrchestratorServiceTest, AServerThatDrainsLeavesRunsToTheNextOne) {
  client_->Hold();
  ASSERT_THAT(Start(Request()), IsOk());
  client_->AwaitFollowed(1);
  // Ends, although the operation does not.
  server_.reset();
}

TEST(ParseServicesTest, TakesSeveralAddressesOfAService) {
  EXPECT_THAT(ParseServices({"train=a:1", "train=b:2", "prune=c:3"}),
              IsOkAndHolds(ElementsAre(Pair("prune", ElementsAre("c:3")),
                                       Pair("train", ElementsAre("a:1", "b:2")))));
  EXPECT_THAT(ParseServices({"trian=a:1", "x"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean 'train'?")));
}

}  // namespace
}  // namespace trainyard::orchestrator
