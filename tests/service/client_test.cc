// Clients against servers that are silent, slow or gone.
#include "libs/service/client.h"

#include <arpa/inet.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "tests/support/status_matchers.h"
#include "trainyard/v1/operation.grpc.pb.h"

namespace trainyard::service {
namespace {

using google::longrunning::Operation;
using google::longrunning::Operations;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

Operation Make(int64_t sequence, bool done) {
  v1::OperationMetadata metadata;
  metadata.set_sequence(sequence);
  Operation operation;
  operation.set_name("operations/train/r1/1");
  operation.mutable_metadata()->PackFrom(metadata);
  operation.set_done(done);
  if (done) operation.mutable_response()->PackFrom(v1::StageResult());
  return operation;
}

// Each stream sends what its turn says, and then nothing until the caller hangs up.
class SilentWatch : public v1::OperationWatchService::CallbackService {
 public:
  void AddStream(std::vector<Operation> states) { streams_.push_back(std::move(states)); }
  std::vector<int64_t> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  class Stream : public grpc::ServerWriteReactor<v1::WatchOperationResponse> {
   public:
    explicit Stream(std::vector<Operation> states) : states_(std::move(states)) { Next(); }
    void OnWriteDone(bool ok) override {
      if (ok) Next();
    }
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }

   private:
    void Next() {
      if (at_ == states_.size()) return;
      *response_.mutable_operation() = states_[at_++];
      StartWrite(&response_);
    }
    const std::vector<Operation> states_;
    size_t at_ = 0;
    v1::WatchOperationResponse response_;
  };
  grpc::ServerWriteReactor<v1::WatchOperationResponse>* WatchOperation(
      grpc::CallbackServerContext*, const v1::WatchOperationRequest* request) override {
    const std::lock_guard lock(mutex_);
    asked_.push_back(request->after_sequence());
    std::vector<Operation> states;
    if (!streams_.empty()) {
      states = std::move(streams_.front());
      streams_.pop_front();
    }
    return new Stream(std::move(states));
  }

  std::mutex mutex_;
  std::deque<std::vector<Operation>> streams_;
  std::vector<int64_t> asked_;
};

class FakeOperations : public Operations::Service {
 public:
  std::function<grpc::Status(Operation*)> get = [](Operation*) { return grpc::Status::OK; };

 private:
  grpc::Status GetOperation(grpc::ServerContext*, const google::longrunning::GetOperationRequest*,
                            Operation* response) override {
    return get(response);
  }
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&watch_);
    builder.RegisterService(&operations_);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel({});
  }
  absl::StatusOr<Operation> Wait(OperationClient::WaitOptions options) {
    options.silence = absl::Milliseconds(100);
    return OperationClient(channel_).Wait(Make(0, false), options);
  }

  SilentWatch watch_;
  FakeOperations operations_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ClientTest, AnOperationThatEndedBehindASilentStreamIsFound) {
  watch_.AddStream({Make(1, false)});
  operations_.get = [](Operation* operation) {
    *operation = Make(5, true);
    return grpc::Status::OK;
  };
  std::vector<int64_t> heard;
  const auto ended = Wait({.update = [&](const v1::OperationMetadata& metadata) {
    heard.push_back(metadata.sequence());
  }});
  ASSERT_THAT(ended, IsOk());
  EXPECT_TRUE(ended->done());
  EXPECT_THAT(heard, ElementsAre(1, 5));
}

TEST_F(ClientTest, ASilentStreamIsOpenedAgainWhereItWas) {
  watch_.AddStream({Make(1, false), Make(3, false)});
  watch_.AddStream({Make(4, false), Make(5, true)});
  operations_.get = [](Operation* operation) {
    *operation = Make(3, false);
    return grpc::Status::OK;
  };
  const auto ended = Wait({});
  ASSERT_THAT(ended, IsOk());
  EXPECT_TRUE(ended->done());
  EXPECT_THAT(watch_.asked(), ElementsAre(0, 3));
}

TEST_F(ClientTest, AnOperationThatIsGoneBehindASilentStreamIsNotFound) {
  watch_.AddStream({Make(1, false)});
  operations_.get = [](Operation*) { return grpc::Status(grpc::StatusCode::NOT_FOUND, "gone"); };
  EXPECT_THAT(Wait({}), StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
}

TEST_F(ClientTest, AServiceThatSaysNothingAtAllIsLostAfterThePatience) {
  operations_.get = [](Operation*) { return grpc::Status(grpc::StatusCode::INTERNAL, "no"); };
  int away = 0;
  EXPECT_THAT(Wait({.away = [&](const absl::Status&) { ++away; },
                    .patience = absl::Milliseconds(150)}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lost the service")));
  EXPECT_GE(away, 1);
}

TEST_F(ClientTest, AStopEndsASilentWait) {
  std::stop_source stop;
  watch_.AddStream({Make(1, false)});
  const auto ended = Wait({.update = [&](const v1::OperationMetadata&) { stop.request_stop(); },
                           .stop = stop.get_token()});
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kCancelled, HasSubstr("no longer waiting")));
}

TEST_F(ClientTest, ATimeoutEndsASilentWait) {
  watch_.AddStream({Make(1, false)});
  EXPECT_THAT(Wait({.timeout = absl::Milliseconds(50)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("did not end within 50ms")));
}

TEST_F(ClientTest, ACallThatTimesOutIsSafeToRepeatWhenItsCallerSaysSo) {
  std::atomic<int> calls = 0;
  std::promise<void> answer;
  auto answered = answer.get_future().share();
  operations_.get = [&calls, answered](Operation* operation) {
    if (++calls == 1) answered.wait();
    *operation = Make(1, false);
    return grpc::Status::OK;
  };
  const auto stub = Operations::NewStub(channel_);
  const auto call = [&](bool retry) {
    return Call(*stub, &Operations::Stub::GetOperation, google::longrunning::GetOperationRequest(),
                {.deadline = absl::Milliseconds(200), .retry = retry});
  };
  EXPECT_THAT(call(false), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("")));
  EXPECT_EQ(calls, 1);
  calls = 0;
  EXPECT_THAT(call(true), IsOk());
  EXPECT_EQ(calls, 2);
  answer.set_value();
}

TEST_F(ClientTest, AStopEndsACall) {
  std::promise<void> asked, answer;
  operations_.get = [&asked, answered = answer.get_future().share()](Operation*) {
    asked.set_value();
    answered.wait();
    return grpc::Status::OK;
  };
  std::stop_source stop;
  std::jthread stopper([&] {
    asked.get_future().wait();
    stop.request_stop();
  });
  const auto stub = Operations::NewStub(channel_);
  EXPECT_THAT(Call(*stub, &Operations::Stub::GetOperation,
                   google::longrunning::GetOperationRequest(), {.stop = stop.get_token()}),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("")));
  answer.set_value();
  // The handler may still be on its way to the promises, whose end is the end of this test.
  server_->Shutdown();
}

TEST(NewRequestIdTest, IsARandomUuid) {
  const std::string id = NewRequestId();
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(id, NewRequestId());
}

TEST(CheckHealthTest, ToldApartFromAnAddressThatOnlyTakesConnections) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const auto silent = MakeChannel(absl::StrCat("127.0.0.1:", ntohs(address.sin_port)));
  EXPECT_THAT(CheckHealth(silent, absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("")));
  close(listener);

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  FakeOperations any;
  builder.RegisterService(&any);
  const auto server = builder.BuildAndStart();
  // Whatever it answers: somebody is there.
  EXPECT_THAT(CheckHealth(MakeChannel(absl::StrCat("127.0.0.1:", port)), absl::Seconds(20)), IsOk());
}

}  // namespace
}  // namespace trainyard::service
