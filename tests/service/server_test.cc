// What clients see of a server: over a socket, with a fake stage behind it.
#include "libs/service/server.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "libs/service/health_probe.h"
#include "libs/service/unary.h"
#include "tests/support/service_operations.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/capabilities.grpc.pb.h"
#include "trainyard/v1/operation.grpc.pb.h"
#include "trainyard/v1/prune.grpc.pb.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::Gate;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

// The handler that every service has.
class PruneHandler final : public v1::PruneService::CallbackService {
 public:
  explicit PruneHandler(Chassis& chassis) : chassis_(chassis) {}
  grpc::ServerUnaryReactor* Prune(grpc::CallbackServerContext* context,
                                  const v1::PruneRequest* request, Operation* response) override {
    return Unary(chassis_.pool, context, "Prune", response,
                 [this, request] { return chassis_.operations.Start("prune", *request); });
  }

 private:
  Chassis& chassis_;
};

class ServerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Server>> StartServer(const std::string& replica = "r1",
                                                      const std::string& address = "127.0.0.1:0") {
    ServerOptions options;
    options.service = "prune";
    options.address = address;
    options.replica = replica;
    options.workspace = folder_.Folder("work");
    options.state_dir = folder_ / ("state-" + replica);
    options.drain_grace = absl::Seconds(1);
    options.capabilities.add_networks("ssd");
    options.worker = TRAINYARD_FAKE_WORKER;
    return Server::Start(options, [this](Chassis& chassis) {
      chassis.operations.AddStage(StageOf<v1::PruneRequest>(
          "prune", [this](const v1::PruneRequest& request) -> absl::StatusOr<StageRun> {
            Problems problems;
            for (int i = 0; i < request.options().granularity(); ++i) {
              problems.Add(absl::StrCat("options.field", i), "is wrong; expected another value");
            }
            TY_RETURN_IF_ERROR(problems.ToStatus());
            return run_;
          }));
      std::vector<std::unique_ptr<grpc::Service>> services;
      services.push_back(std::make_unique<PruneHandler>(chassis));
      return absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>>(std::move(services));
    });
  }
  void SetUp() override {
    auto server = StartServer();
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    channel_ = MakeChannel(server_->address());
  }

  absl::StatusOr<Operation> Prune(const std::shared_ptr<grpc::Channel>& channel,
                                  const v1::PruneRequest& request = {}) {
    const auto stub = v1::PruneService::NewStub(channel);
    return Call(*stub, &v1::PruneService::Stub::Prune, request);
  }
  StageRun Waiting() {
    return [this](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
      context.Progress(1, 2, "steps");
      TY_RETURN_IF_ERROR(gate_.Pass(context.stop()));
      context.Progress(2, 2, "steps");
      return v1::StageResult();
    };
  }

  TemporaryFolder folder_;
  Gate gate_;
  StageRun run_ = [](OperationContext&) { return v1::StageResult(); };
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServerTest, StartsWatchesAndAnswers) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  std::vector<int64_t> sequences;
  OperationClient client(channel_);
  const auto done = client.Wait(*started, {.update = [&](const Metadata& metadata) {
                                  sequences.push_back(metadata.sequence());
                                  if (metadata.progress().done() == 1) gate_.Open();
                                }});
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), IsOk());
  EXPECT_GE(sequences.size(), 2u);
  EXPECT_TRUE(std::is_sorted(sequences.begin(), sequences.end()));
  EXPECT_EQ(MetadataOf(*done).owner_address(), server_->address());
  EXPECT_EQ(MetadataOf(*client.Get(started->name())).state(), Metadata::SUCCEEDED);
}

TEST_F(ServerTest, WorksWithoutASocket) {
  const auto channel = server_->InProcessChannel();
  const auto started = Prune(channel);
  ASSERT_THAT(started, IsOk());
  EXPECT_THAT(ResultOf(*OperationClient(channel).Wait(*started)), IsOk());
}

TEST_F(ServerTest, AWatchLeavesOutWhatTheCallerKnows) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  gate_.AwaitArrivals(1);
  const int64_t known = MetadataOf(*OperationClient(channel_).Get(started->name())).sequence();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  v1::WatchOperationRequest request;
  request.set_name(started->name());
  request.set_after_sequence(known);
  const auto stub = v1::OperationWatchService::NewStub(channel_);
  const auto stream = stub->WatchOperation(&context, request);
  gate_.Open();
  v1::WatchOperationResponse state;
  ASSERT_TRUE(stream->Read(&state));
  EXPECT_GT(state.sequence(), known);
  while (stream->Read(&state)) {
  }
  EXPECT_TRUE(state.operation().done());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ServerTest, AStreamThatTheCallerLeftDoesNotHoldUpTheDrain) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  std::stop_source enough;
  const auto left = OperationClient(channel_).Wait(
      *started, {.update = [&](const Metadata&) { enough.request_stop(); },
                 .stop = enough.get_token()});
  EXPECT_THAT(left, StatusIs(absl::StatusCode::kCancelled));
  const absl::Time before = absl::Now();
  server_->Drain();
  EXPECT_LT(absl::Now() - before, absl::Milliseconds(900));
}

TEST_F(ServerTest, AWatchOfNothingIsNotFound) {
  Operation unknown;
  unknown.set_name("operations/prune/r1/none");
  EXPECT_THAT(OperationClient(channel_).Wait(unknown), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ServerTest, WaitOperationReturnsAtItsTimeoutAndAtTheEnd) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  google::longrunning::WaitOperationRequest request;
  request.set_name(started->name());
  request.mutable_timeout()->set_nanos(1000000);
  const auto stub = google::longrunning::Operations::NewStub(channel_);
  const auto early = Call(*stub, &google::longrunning::Operations::Stub::WaitOperation, request);
  ASSERT_THAT(early, IsOk());
  EXPECT_FALSE(early->done());
  request.clear_timeout();
  gate_.AwaitArrivals(1);
  gate_.Open();
  const auto done = Call(*stub, &google::longrunning::Operations::Stub::WaitOperation, request);
  ASSERT_THAT(done, IsOk());
  EXPECT_TRUE(done->done());
}

TEST_F(ServerTest, CancelReachesTheWork) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  gate_.AwaitArrivals(1);
  OperationClient client(channel_);
  ASSERT_THAT(client.Cancel(started->name()), IsOk());
  const auto done = client.Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ServerTest, LongErrorsArriveCutAndInFullWhenAskedFor) {
  v1::PruneRequest request;
  request.mutable_options()->set_granularity(500);
  const auto refused = Prune(channel_, request);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ReasonValueOf(refused.status(), "problemCount"), "500");
  EXPECT_GT(ProblemsFrom(refused.status()).size(), 20u);
  request.set_validate_only(true);
  const auto checked = Prune(channel_, request);
  ASSERT_THAT(checked, IsOk());
  EXPECT_THAT(ProblemsFrom(ResultOf(*checked).status()), SizeIs(500));
}

TEST_F(ServerTest, AWaitLivesThroughARestartOfTheServer) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  gate_.AwaitArrivals(1);
  absl::StatusOr<Operation> done;
  std::thread waiter([&] { done = OperationClient(channel_).Wait(*started); });
  const std::string address = server_->address();
  server_.reset();
  gate_.Open();
  auto restarted = StartServer("r1", address);
  ASSERT_THAT(restarted, IsOk());
  waiter.join();
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), IsOk());
  EXPECT_EQ(MetadataOf(*done).attempt(), 2);
}

TEST_F(ServerTest, ADrainEndsStreamsAndTakesNothingNew) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  gate_.AwaitArrivals(1);
  absl::StatusOr<Operation> waited;
  std::thread waiter([&] {
    waited = OperationClient(channel_).Wait(*started, {.patience = absl::Milliseconds(1)});
  });
  server_->Drain();
  waiter.join();
  EXPECT_THAT(waited, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Prune(channel_), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ServerTest, AnyReplicaLeadsToTheOwner) {
  const auto second = StartServer("r2");
  ASSERT_THAT(second, IsOk());
  run_ = Waiting();
  const auto started = Prune(MakeChannel((*second)->address()));
  ASSERT_THAT(started, IsOk());
  EXPECT_THAT(started->name(), HasSubstr("/r2/"));
  gate_.AwaitArrivals(1);
  OperationClient client(channel_);
  EXPECT_THAT(client.Get(started->name()), IsOk());
  EXPECT_THAT(client.Cancel(started->name()), IsOk());
  const auto done = client.Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_EQ(MetadataOf(*done).state(), Metadata::CANCELLED);
}

TEST_F(ServerTest, ATakenPortIsAnError) {
  EXPECT_THAT(StartServer("r2", server_->address()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server_->address())));
}

TEST_F(ServerTest, TheProbeHasTheUsualExitCodes) {
  const std::string address = server_->address();  // The server ends before this does.
  EXPECT_EQ(RunHealthProbe({"--addr", address}, ""), 0);
  EXPECT_EQ(RunHealthProbe({"-addr=" + address, "-service=trainyard.v1.PruneService"}, ""), 0);
  EXPECT_EQ(RunHealthProbe({"--adr", address}, ""), 1);
  EXPECT_EQ(RunHealthProbe({"--addr", address, "--service", "trainyard.v1.Other"}, ""), 3);
  server_.reset();
  EXPECT_EQ(RunHealthProbe({"--addr", address, "--connect-timeout", "100ms"}, ""), 2);
}

TEST_F(ServerTest, TellsItsCapabilities) {
  const auto stub = v1::CapabilitiesService::NewStub(channel_);
  const auto answer = Call(*stub, &v1::CapabilitiesService::Stub::GetCapabilities, {});
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->service(), "prune");
  EXPECT_EQ(answer->networks(0), "ssd");
  EXPECT_EQ(answer->running_capacity(), 1);
  EXPECT_EQ(answer->queue_capacity(), 64);
  EXPECT_THAT(answer->devices(), ElementsAre("cpu", "fake:0 a device"));
}

TEST_F(ServerTest, MissingSettingsAreNamedTogether) {
  EXPECT_THAT(Server::Start({}, [](Chassis&) {
                return absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>>(
                    absl::InternalError("not reached"));
              }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("workspace"), HasSubstr("state_dir"))));
}

}  // namespace
}  // namespace trainyard::service
