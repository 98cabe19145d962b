// What clients see of a server: over a socket, with a fake stage behind it.
#include "libs/service/server.h"

#include <arpa/inet.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "gtest/gtest.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "libs/service/health_probe.h"
#include "libs/service/operations_service.h"
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
using ::trainyard::testing::ContentOf;
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
    ServerOptions options = options_;
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
            if (request.stage().spec_text() == "hang") check_gate_.Pass({}).IgnoreError();
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
  ServerOptions options_;
  Gate gate_, check_gate_;
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

TEST_F(ServerTest, AWatchAndAWaitThatComeBeforeTheOperationsHaveBegunSeeAll) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  gate_.AwaitArrivals(1);
  server_.reset();

  // What Server does, with a stop between what it does.
  auto operations = OperationManager::Create(
      {.service = "prune", .state_dir = folder_ / "state-r1"});
  ASSERT_THAT(operations, IsOk());
  (*operations)->AddStage(StageOf<v1::PruneRequest>(
      "prune",
      [this](const v1::PruneRequest&) -> absl::StatusOr<StageRun> { return run_; }));
  Pool control(1), wait_pool(1, /*held=*/true), watch_pool(1, /*held=*/true);
  OperationsService operations_service(**operations, control, wait_pool);
  WatchService watch_service(**operations, watch_pool, std::chrono::milliseconds(10));
  grpc::ServerBuilder builder;
  builder.RegisterService(&operations_service).RegisterService(&watch_service);
  const auto server = builder.BuildAndStart();
  const auto channel = server->InProcessChannel(grpc::ChannelArguments());

  grpc::ClientContext context;
  v1::WatchOperationRequest request;
  request.set_name(started->name());
  const auto stub = v1::OperationWatchService::NewStub(channel);
  const auto stream = stub->WatchOperation(&context, request);
  absl::StatusOr<Operation> waited;
  std::thread waiter([&] {
    google::longrunning::WaitOperationRequest wait;
    wait.set_name(started->name());
    const auto wait_stub = google::longrunning::Operations::NewStub(channel);
    waited = Call(*wait_stub, &google::longrunning::Operations::Stub::WaitOperation, wait);
  });
  // They have come when their first looks are queued.
  for (Pool* pool : {&wait_pool, &watch_pool}) {
    while (pool->AwaitIdle(std::chrono::nanoseconds(0))) std::this_thread::yield();
  }
  ASSERT_THAT((*operations)->Begin(""), IsOk());
  wait_pool.Release();
  watch_pool.Release();

  // It beats, shows the change and the end.
  v1::WatchOperationResponse state;
  for (int beat = 0; beat < 3; ++beat) ASSERT_TRUE(stream->Read(&state));
  EXPECT_FALSE(state.operation().done());
  gate_.Open();
  while (stream->Read(&state)) {
  }
  EXPECT_TRUE(state.operation().done());
  EXPECT_TRUE(stream->Finish().ok());
  waiter.join();
  ASSERT_THAT(waited, IsOk());
  EXPECT_TRUE(waited->done());
  server->Shutdown();
}

// A stream of gRPC's reflection, which has a thread of the server as long as it is open.
class ReflectionStream {
 public:
  explicit ReflectionStream(const std::shared_ptr<grpc::Channel>& channel)
      : stream_(grpc::GenericStub(channel).PrepareCall(
            &context_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue_)) {
    stream_->StartCall(nullptr);
    Next();
  }
  ~ReflectionStream() {
    context_.TryCancel();
    grpc::Status status;
    stream_->Finish(&status, nullptr);
    Next();
    queue_.Shutdown();
    while (Next()) {
    }
  }
  // Whether the question for all services is answered.
  bool Answers() {
    const grpc::Slice question("\x3a\x01*");  // list_services: "*"
    stream_->Write(grpc::ByteBuffer(&question, 1), nullptr);
    Next();
    grpc::ByteBuffer answer;
    stream_->Read(&answer, nullptr);
    return Next();
  }

 private:
  bool Next() {
    void* tag;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

TEST_F(ServerTest, IdleStreamsOfReflectionHaveABoundAndHoldUpNothingElse) {
  std::vector<std::unique_ptr<ReflectionStream>> streams;
  int answered = 0;
  for (int i = 0; i < 70; ++i) {
    streams.push_back(std::make_unique<ReflectionStream>(channel_));
    answered += streams.back()->Answers() ? 1 : 0;
  }
  EXPECT_GT(answered, 0);
  EXPECT_LE(answered, 64);
  EXPECT_THAT(Prune(channel_), IsOk());
  EXPECT_EQ(RunHealthProbe({"--addr", server_->address()}, ""), 0);
}

TEST_F(ServerTest, CallsThatHangMakeItUnreadyAndNothingElse) {
  server_.reset();
  options_.call_threads = 2;
  options_.stuck_after = absl::Milliseconds(50);
  server_ = *StartServer();
  channel_ = MakeChannel(server_->address());
  run_ = Waiting();
  const auto working = Prune(channel_);
  ASSERT_THAT(working, IsOk());
  gate_.AwaitArrivals(1);

  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("trainyard.v1.PruneService");
  grpc::health::v1::HealthCheckResponse health;
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  const auto states = stub->Watch(&context, request);
  ASSERT_TRUE(states->Read(&health));
  EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::SERVING);

  v1::PruneRequest hanging;
  hanging.mutable_stage()->set_spec_text("hang");
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] { EXPECT_THAT(Prune(channel_, hanging), IsOk()); });
  }
  ASSERT_TRUE(states->Read(&health));
  EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  const std::string address = server_->address();
  EXPECT_EQ(RunHealthProbe({"--addr", address}, ""), 0);
  EXPECT_EQ(RunHealthProbe({"--addr", address, "--service", "trainyard.v1.PruneService"}, ""), 4);
  const auto refused = Prune(channel_);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(worker::ReasonOf(refused.status()), "CALLS_STUCK");

  OperationClient client(channel_);
  EXPECT_THAT(client.Get(working->name()), IsOk());
  const auto operations = google::longrunning::Operations::NewStub(channel_);
  EXPECT_THAT(Call(*operations, &google::longrunning::Operations::Stub::ListOperations, {}), IsOk());
  EXPECT_THAT(client.Cancel(working->name()), IsOk());
  EXPECT_EQ(MetadataOf(*client.Wait(*working)).state(), Metadata::CANCELLED);

  check_gate_.Open();
  ASSERT_TRUE(states->Read(&health));
  EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  for (std::thread& caller : callers) caller.join();
  context.TryCancel();
}

TEST_F(ServerTest, AWrongDigestFailsTheOperationAndNotTheCall) {
  folder_.Write("work/model.tlt", "abc");
  v1::PruneRequest request;
  v1::Artifact* input = request.mutable_stage()->add_inputs();
  input->set_name("model");
  input->set_uri("model.tlt");
  input->set_sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const auto right = Prune(channel_, request);
  ASSERT_THAT(right, IsOk());
  EXPECT_THAT(ResultOf(*OperationClient(channel_).Wait(*right)), IsOk());
  input->set_sha256("00");
  const auto wrong = Prune(channel_, request);
  ASSERT_THAT(wrong, IsOk());
  EXPECT_THAT(ResultOf(*OperationClient(channel_).Wait(*wrong)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("stage.inputs[model]")));
}

TEST_F(ServerTest, ConnectionsWithoutAWordAndWithoutACallAreClosed) {
  EXPECT_LE(ServerOptions().idle_timeout, absl::Seconds(30));
  server_.reset();
  options_.handshake_timeout = options_.idle_timeout = absl::Milliseconds(100);
  server_ = *StartServer();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // HTTP/2's first words: the preface and an empty SETTINGS frame.
  const std::string words("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  for (const std::string& said : {std::string(), words}) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(send(fd, said.data(), said.size(), 0), static_cast<ssize_t>(said.size()));
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) {  // until the server ends it
    }
    close(fd);
  }

  const auto channel = MakeChannel(server_->address());
  ASSERT_THAT(Prune(channel), IsOk());
  EXPECT_TRUE(channel->WaitForStateChange(
      GRPC_CHANNEL_READY, std::chrono::system_clock::now() + std::chrono::seconds(30)));
  EXPECT_THAT(Prune(channel), IsOk());
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

TEST_F(ServerTest, AWaitEndsWhenItsCallerHangsUp) {
  run_ = Waiting();
  const auto started = Prune(channel_);
  ASSERT_THAT(started, IsOk());
  gate_.AwaitArrivals(1);
  Pool control(1), waits(1, /*held=*/true);
  OperationsService service(server_->operations(), control, waits);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const auto stub = google::longrunning::Operations::NewStub(
      server->InProcessChannel(grpc::ChannelArguments()));
  grpc::ClientContext context;
  std::thread caller([&] {
    google::longrunning::WaitOperationRequest request;
    request.set_name(started->name());
    Operation never;
    EXPECT_EQ(stub->WaitOperation(&context, request, &never).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  // It has come when its first look is queued.
  while (waits.AwaitIdle(std::chrono::nanoseconds(0))) std::this_thread::yield();
  context.TryCancel();
  caller.join();
  waits.Release();
  // A shutdown without a deadline waits for all calls.
  const auto ended = std::async(std::launch::async, [&server] { server->Shutdown(); });
  EXPECT_EQ(ended.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  gate_.Open();
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
  ASSERT_THAT(StartLogging({.file = folder_ / "log"}), IsOk());
  const auto refused = Prune(channel_, request);
  ASSERT_THAT(StartLogging({}), IsOk());
  const std::string log = ContentOf(folder_ / "log");
  EXPECT_THAT(log, HasSubstr("options.field0 is wrong"));
  EXPECT_LT(log.size(), 5000u);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(worker::ReasonValueOf(refused.status(), "problemCount"), "500");
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
