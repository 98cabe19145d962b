// A service as a process: killed, told to stop, misconfigured.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/service/client.h"
#include "tests/support/process_runner.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/train.grpc.pb.h"

namespace trainyard::service {
namespace {

using ::google::longrunning::Operation;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::AwaitFile;
using ::trainyard::testing::ChildProcess;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

class ServiceProcessTest : public ::testing::Test {
 protected:
  ServiceProcessTest() { folder_.Folder("work"); }

  // Starts it and waits until it serves.
  // `limits` is said to a shell first.
  std::unique_ptr<ChildProcess> Serve(const std::vector<std::string>& more = {},
                                      const std::vector<std::string>& environment = {},
                                      const std::string& limits = "") {
    std::filesystem::remove(folder_ / "port");
    std::vector<std::string> words = {TRAINYARD_FAKE_SERVICE, "--listen", "127.0.0.1:0",
                                      "--port-file", folder_ / "port", "--workspace",
                                      folder_ / "work", "--state-dir", folder_ / "state",
                                      "--worker", worker_, "--log-format", "json"};
    words.insert(words.end(), more.begin(), more.end());
    if (!limits.empty()) {
      words.insert(words.begin(), {"/bin/bash", "-c", limits + "exec \"$0\" \"$@\""});
    }
    auto process = std::make_unique<ChildProcess>(words, folder_ / "log", environment);
    EXPECT_TRUE(AwaitFile(folder_ / "port")) << ContentOf(folder_ / "log");
    channel_ = MakeChannel(absl::StrCat("127.0.0.1:", std::stoi(ContentOf(folder_ / "port"))));
    return process;
  }
  int RunToEnd(std::vector<std::string> words) {
    words.insert(words.begin(), TRAINYARD_FAKE_SERVICE);
    return ChildProcess(words, folder_ / "log").Wait();
  }

  absl::StatusOr<Operation> Train(const std::string& spec, const std::string& key = "") {
    v1::TrainRequest request;
    request.mutable_stage()->set_spec_text(spec);
    request.mutable_stage()->set_key(key);
    const auto stub = v1::TrainService::NewStub(channel_);
    return Call(*stub, &v1::TrainService::Stub::Train, request);
  }
  // Follows an operation until it has come so far, in this attempt or a later one.
  Metadata AwaitProgress(const Operation& operation, double done, int attempt = 1) {
    std::stop_source enough;
    Metadata reached;
    OperationClient(channel_)
        .Wait(operation, {.update =
                              [&](const Metadata& metadata) {
                                if (metadata.progress().done() < done) return;
                                if (metadata.attempt() < attempt) return;
                                if (metadata.state() != Metadata::RUNNING) return;
                                reached = metadata;
                                enough.request_stop();
                              },
                          .stop = enough.get_token()})
        .IgnoreError();
    EXPECT_GE(reached.progress().done(), done);
    return reached;
  }

  TemporaryFolder folder_;
  std::string worker_ = TRAINYARD_FAKE_WORKER;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServiceProcessTest, AKilledServiceGoesOnFromTheCheckpointAfterItsRestart) {
  auto service = Serve();
  const std::string checkpoint = folder_ / "work/run/epoch_1.tlt";
  const std::string out = folder_ / "work/out";
  const auto started =
      Train(absl::StrCat("@1 checkpoint ", checkpoint, "\n@1 progress 1 4\n@1 wait\nwrite ", out,
                         " $RESUME\noutput last ", out, " tlt"));
  ASSERT_THAT(started, IsOk());
  AwaitProgress(*started, 1);
  service->Signal(SIGKILL);
  service->Wait();

  service = Serve();
  const auto done = OperationClient(channel_).Wait(*started);
  ASSERT_THAT(done, IsOk());
  const auto result = ResultOf(*done);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(ContentOf(out), checkpoint);
  EXPECT_EQ(result->outputs(0).uri(), "out");
  EXPECT_EQ(MetadataOf(*done).attempt(), 2);
}

TEST_F(ServiceProcessTest, AKillAtAnyMomentOfAWorkersStartFailsNothing) {
  // A program that takes its time to load, as one with a large runtime does.
  worker_ = folder_.Write("slow-worker", absl::StrCat("#!/bin/sh\nsleep 0.4\nexec ",
                                                      TRAINYARD_FAKE_WORKER, " \"$@\"\n"));
  std::filesystem::permissions(worker_, std::filesystem::perms::owner_all);
  const std::string out = folder_ / "work/out";
  auto service = Serve();
  for (int delay_ms = 0; delay_ms < 1000; delay_ms += 110) {
    const auto started =
        Train(absl::StrCat("progress 1 4\nwrite ", out, " $EPOCH\noutput o ", out, " log"));
    ASSERT_THAT(started, IsOk());
    // Twice, so that a worker may have two predecessors.
    for (int kills = 0; kills < 2; ++kills) {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
      service->Signal(SIGKILL);
      service->Wait();
      service = Serve();
    }
    const auto done = OperationClient(channel_).Wait(*started);
    ASSERT_THAT(done, IsOk()) << delay_ms;
    EXPECT_THAT(ResultOf(*done), IsOk()) << delay_ms << " ms";
  }
}

TEST_F(ServiceProcessTest, AJobHasTheMemoryThatTheSettingSays) {
  EXPECT_EQ(RunToEnd({"--listen", "127.0.0.1:0", "--workspace", folder_ / "work", "--state-dir",
                      folder_ / "state", "--job-memory", "much"}),
            1);
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("--job-memory is 'much'"));
  auto service = Serve({"--job-memory", "512MiB"});
  const auto started = Train("eat 2048");
  ASSERT_THAT(started, IsOk());
  const auto done = OperationClient(channel_).Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("512 MiB")));
  EXPECT_THAT(ContentOf(absl::StrCat("/proc/", service->pid(), "/limits")),
              ::testing::ContainsRegex("Max core file size +0 +0"));
}

TEST_F(ServiceProcessTest, AStoppedWorkerOfAKilledServiceIsNotWaitedForForEver) {
  auto service = Serve();
  const auto started = Train("@1 progress 1 4\n@1 hang\nprogress 4 4");
  ASSERT_THAT(started, IsOk());
  const Metadata metadata = AwaitProgress(*started, 1);
  const std::string pid = metadata.worker().substr(metadata.worker().rfind(':') + 1);
  service->Signal(SIGKILL);
  service->Wait();
  // Not before: the kernel wakes and hangs up what is stopped when its process group is orphaned.
  kill(std::stoi(pid), SIGSTOP);
  service = Serve();
  const auto done = OperationClient(channel_).Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), IsOk());
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("stands still and is killed"));
}

TEST_F(ServiceProcessTest, SigtermDrainsAndTheNextProcessGoesOn) {
  auto service = Serve();
  const auto started = Train("@1 progress 1 4\n@1 wait\nprogress 4 4");
  ASSERT_THAT(started, IsOk());
  AwaitProgress(*started, 1);
  service->Signal(SIGTERM);
  EXPECT_EQ(service->Wait(), 0);
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("operation is left for the next process"));
  service = Serve();
  const auto done = OperationClient(channel_).Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), IsOk());
}

TEST_F(ServiceProcessTest, ASecondSignalEndsItAtOnce) {
  auto service = Serve();
  const auto started = Train("progress 1 4\nhang");
  ASSERT_THAT(started, IsOk());
  AwaitProgress(*started, 1);
  service->Signal(SIGTERM);
  // Signals of one kind do not queue: the other one is the second for sure.
  service->Signal(SIGINT);
  const int exit_code = service->Wait();
  EXPECT_TRUE(exit_code == 128 + SIGINT || exit_code == 128 + SIGTERM) << exit_code;
}

TEST_F(ServiceProcessTest, NoKeyReachesTheLogOrTheDisk) {
  auto service = Serve({"--log-level", "debug"});
  const auto started = Train("log the key is $KEY\nkill", "open-sesame-process");
  ASSERT_THAT(started, IsOk());
  const auto done = OperationClient(channel_).Wait(*started);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), StatusIs(absl::StatusCode::kInternal,
                                        AllOf(HasSubstr("killed by signal 9"),
                                              HasSubstr("the key is [redacted]"))));
  EXPECT_THAT(ContentOf(folder_ / "log"), Not(HasSubstr("open-sesame-process")));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "state")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_FALSE(absl::StrContains(ContentOf(entry.path()), "open-sesame-process")) << entry.path();
  }
}

TEST_F(ServiceProcessTest, SettingsComeFromYamlEnvironmentAndFlags) {
  const std::string yaml = folder_.Write("train.yaml", "max_queue: 5\nmax_running: 2\n");
  auto service = Serve({"--config", yaml, "--max-running", "4"}, {"TRAINYARD_MAX_QUEUE=7"});
  const auto started = Train("progress 1 1");
  ASSERT_THAT(started, IsOk());
  EXPECT_THAT(OperationClient(channel_).Wait(*started), IsOk());
  EXPECT_EQ(RunToEnd({"healthcheck", "--addr",
                      absl::StrCat("127.0.0.1:", std::stoi(ContentOf(folder_ / "port"))), "--service",
                      "trainyard.v1.TrainService"}),
            0);
}

TEST_F(ServiceProcessTest, WhatTookTheServiceWithItThreeTimesIsNotBegunAgain) {
  auto service = Serve();
  const auto poison = Train("progress 1 4\nwait"), behind = Train("progress 1 1");
  ASSERT_THAT(poison, IsOk());
  ASSERT_THAT(behind, IsOk());
  for (int attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(AwaitProgress(*poison, 1, attempt).attempt(), attempt);
    service->Signal(SIGKILL);
    service->Wait();
    service = Serve();
  }
  const auto failed = OperationClient(channel_).Wait(*poison);
  ASSERT_THAT(failed, IsOk());
  EXPECT_EQ(worker::ReasonOf(ResultOf(*failed).status()), "SERVICE_CRASHED");
  const auto done = OperationClient(channel_).Wait(*behind);
  ASSERT_THAT(done, IsOk());
  EXPECT_THAT(ResultOf(*done), IsOk());
}

TEST_F(ServiceProcessTest, StartCallsThatHangHoldUpNeitherQuestionsNorTheEnd) {
  auto service = Serve({"--call-threads", "2", "--drain-grace", "200ms"});
  const auto working = Train("progress 1 4\nhang");
  ASSERT_THAT(working, IsOk());
  AwaitProgress(*working, 1);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([this] { EXPECT_FALSE(Train("hang in the check").ok()); });
  }
  // A call that fails by its own deadline has had its turn in a queue of two threads.
  v1::TrainRequest late;
  late.mutable_stage()->set_spec_text("hang in the check");
  const auto stub = v1::TrainService::NewStub(channel_);
  EXPECT_THAT(Call(*stub, &v1::TrainService::Stub::Train, late, {.deadline = absl::Milliseconds(300)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  OperationClient client(channel_);
  EXPECT_THAT(client.Get(working->name()), IsOk());
  EXPECT_THAT(client.Cancel(working->name()), IsOk());
  EXPECT_EQ(MetadataOf(*client.Wait(*working)).state(), Metadata::CANCELLED);
  const auto before = std::chrono::steady_clock::now();
  service->Signal(SIGTERM);
  EXPECT_EQ(service->Wait(), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("not all stopped in time"));
}

TEST_F(ServiceProcessTest, SilentConnectionsDoNotKillTheListener) {
  auto service = Serve({}, {}, "ulimit -n 256; ");
  const int port = std::stoi(ContentOf(folder_ / "port"));
  std::vector<int> silent;
  for (int i = 0; i < 300; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    silent.push_back(fd);
  }
  // The last ones are refused at once: the service has seen them all.
  char byte;
  while (recv(silent.back(), &byte, 1, 0) > 0) {
  }
  for (const int fd : silent) close(fd);
  EXPECT_EQ(RunToEnd({"healthcheck", "--addr", absl::StrCat("127.0.0.1:", port),
                      "--connect-timeout", "30s"}),
            0);
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("connections are refused"));
  const auto started = Train("progress 1 1");
  ASSERT_THAT(started, IsOk());
  EXPECT_THAT(OperationClient(channel_).Wait(*started), IsOk());
}

TEST_F(ServiceProcessTest, AFileThatMayNotGrowIsAnErrorAndNoDeath) {
  // In units of 1 KiB, of which the log needs few.
  auto service = Serve({"--max-queue", "1000"}, {}, "ulimit -f 300; ");
  const std::string spec = "hang\n" + std::string(50000, '#');
  absl::Status status;
  for (int i = 0; i < 30 && status.ok(); ++i) status = Train(spec).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("operations database"));
  EXPECT_EQ(RunToEnd({"healthcheck", "--addr",
                      absl::StrCat("127.0.0.1:", std::stoi(ContentOf(folder_ / "port")))}),
            0);
  service->Signal(SIGTERM);
  EXPECT_EQ(service->Wait(), 0);
}

TEST_F(ServiceProcessTest, ItLeavesNoCoreAndTellsWhoMayReachIt) {
  auto service = Serve({"--listen", "0.0.0.0:0"});
  EXPECT_THAT(ContentOf(absl::StrCat("/proc/", service->pid(), "/limits")),
              ::testing::ContainsRegex("Max core file size +0 +0"));
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("listens beyond this host"));
}

TEST_F(ServiceProcessTest, MissingFlagsAreNamedAndTheProbeExplainsItself) {
  EXPECT_EQ(RunToEnd({"--listen", "127.0.0.1:0"}), 2);
  EXPECT_THAT(ContentOf(folder_ / "log"),
              AllOf(HasSubstr("--workspace is not given"), HasSubstr("--state-dir is not given")));
  EXPECT_EQ(RunToEnd({"healthcheck", "--help"}), 0);
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("--rpc-timeout"));
}

TEST_F(ServiceProcessTest, WhatIsMistypedIsNamedWithTheNearestName) {
  EXPECT_EQ(RunToEnd({"--workspce", "/tmp"}), 2);
  EXPECT_THAT(ContentOf(folder_ / "log"), HasSubstr("did you mean 'workspace'?"));
  const std::string yaml = folder_.Write("train.yaml", "max_queue: many\nmax_runing: 2\n");
  EXPECT_EQ(RunToEnd({"--config", yaml}), 2);
  EXPECT_THAT(ContentOf(folder_ / "log"),
              AllOf(HasSubstr("train.yaml:1"), HasSubstr("train.yaml:2"),
                    HasSubstr("did you mean 'max_running'?")));
  EXPECT_EQ(RunToEnd({"--workspace", folder_ / "nothing", "--state-dir", folder_ / "state"}), 1);
  EXPECT_EQ(RunToEnd({"--version"}), 0);
  EXPECT_EQ(RunToEnd({"--help"}), 0);
}

}  // namespace
}  // namespace trainyard::service
