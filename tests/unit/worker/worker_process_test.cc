// Real worker processes: what libs/worker's two sides promise each other.
#include "libs/worker/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/worker/folder_lock.h"
#include "libs/worker/internal/memory_group.h"
#include "libs/worker/journal.h"
#include "libs/worker/processes.h"
#include "tests/support/process_runner.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class WorkerProcessTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Process>> Start(const std::string& spec, int64_t epoch = 1) {
    WorkerJob job;
    job.set_spec(spec);
    job.set_fencing_epoch(epoch);
    return Process::Start(job, {.program = TRAINYARD_FAKE_WORKER,
                                .job_dir = folder_.path(),
                                .environment = {},
                                .log_path = folder_ / "worker.log",
                                .key = "open-sesame",
                                .lock_fd = lock_fd_,
                                .memory_bytes = memory_bytes_,
                                .bounds_data = bounds_data_});
  }

  // Polls the journal until `wanted` holds for one of its events.
  WorkerEvent Await(const std::function<bool(const WorkerEvent&)>& wanted) {
    JournalReader reader(folder_.path());
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (absl::Now() < deadline) {
      const auto events = reader.Poll();
      EXPECT_THAT(events, IsOk());
      if (!events.ok()) break;
      for (const WorkerEvent& event : *events) {
        if (wanted(event)) return event;
      }
    }
    ADD_FAILURE() << "the event did not come; worker.log: " << ContentOf(folder_ / "worker.log");
    return {};
  }
  WorkerEvent AwaitFinished() {
    return Await([](const WorkerEvent& event) { return event.has_finished(); });
  }

  TemporaryFolder folder_;
  int lock_fd_ = -1;
  int64_t memory_bytes_ = 0;
  bool bounds_data_ = true;
};

int ExitCode(const std::optional<int>& status) {
  return status.has_value() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

TEST_F(WorkerProcessTest, FinishesWithWhatItMade) {
  const auto process = Start("progress 1 2\nmetric mAP 0.5\nnote fine");
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 0);
  const Finished finished = AwaitFinished().finished();
  EXPECT_EQ(finished.status().code(), 0);
  EXPECT_EQ(finished.metrics(0).value(), 0.5);
  EXPECT_EQ(finished.notes(0), "fine");
#if !defined(__SANITIZE_ADDRESS__)  // whose search for leaks comes after that
  // Nobody waits for the runtimes to be taken down.
  EXPECT_THAT(ContentOf(folder_ / "worker.log"), Not(HasSubstr("taken down")));
#endif
}

TEST_F(WorkerProcessTest, SaysWhatItFailedWithAndExitsByTheTable) {
  const struct {
    absl::StatusCode code;
    int exit_code;
  } cases[] = {{absl::StatusCode::kInternal, 1},
               {absl::StatusCode::kInvalidArgument, 2},
               {absl::StatusCode::kUnavailable, 75}};
  int64_t epoch = 0;
  for (const auto& [code, exit_code] : cases) {
    const auto process =
        Start(absl::StrCat("fail ", static_cast<int>(code), " it is so"), ++epoch);
    ASSERT_THAT(process, IsOk());
    EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), exit_code);
    const WorkerEvent event = Await([epoch](const WorkerEvent& event) {
      return event.has_finished() && event.fencing_epoch() == epoch;
    });
    EXPECT_EQ(event.finished().status().code(), static_cast<int>(code));
    EXPECT_EQ(event.finished().status().message(), "it is so");
  }
}

TEST_F(WorkerProcessTest, SigtermStopsItAfterItsCheckpoint) {
  const auto process = Start("progress 1 2\nwait");
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  EXPECT_FALSE((*process)->Poll().has_value());
  (*process)->Terminate();
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 143);
  EXPECT_EQ(AwaitFinished().finished().status().code(), 1);  // CANCELLED
}

TEST_F(WorkerProcessTest, AKillIsDescribed) {
  const auto process = Start("kill");
  ASSERT_THAT(process, IsOk());
  const auto status = (*process)->Wait(absl::Seconds(30));
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(DescribeExit(*status), "killed by signal 9");
}

TEST_F(WorkerProcessTest, TheDestructorLeavesNoProcess) {
  pid_t pid;
  {
    const auto process = Start("progress 1 2\nhang");
    ASSERT_THAT(process, IsOk());
    pid = (*process)->pid();
    Await([](const WorkerEvent& event) { return event.has_progress(); });
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(WorkerProcessTest, TheKeyComesThroughAPipeAndIsNotOnTheDisk) {
  const auto process = Start(absl::StrCat("write ", folder_ / "out", " $KEY"));
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 0);
  EXPECT_EQ(ContentOf(folder_ / "out"), "open-sesame");
  EXPECT_THAT(ContentOf(folder_ / "job.pb"), Not(HasSubstr("open-sesame")));
}

TEST_F(WorkerProcessTest, WhatAWorkerShowsHoldsNoSecrets) {
  setenv("TRAINYARD_OTHER_KEY", "a-secret-of-the-service", 1);
  setenv("NVIDIA_API_KEY", "a-secret-of-the-service", 1);
  setenv("CLOUD_PASSPHRASE", "a-secret-of-the-service", 1);
  setenv("OMP_DISPLAY_ENV", "false", 1);
  const auto process =
      Start(absl::StrCat("write ", folder_ / "out", " $DUMPABLE\nprogress 1 2\nwait"));
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  EXPECT_EQ(ContentOf(folder_ / "out"), "0");
  const std::string proc = absl::StrCat("/proc/", (*process)->pid(), "/");
  // Only root gets to read the first one.
  const std::string shown = ContentOf(proc + "environ") + ContentOf(proc + "cmdline");
  EXPECT_THAT(shown, Not(HasSubstr("open-sesame")));
  EXPECT_THAT(shown, Not(HasSubstr("a-secret-of-the-service")));
  EXPECT_THAT(ContentOf(proc + "cmdline"), HasSubstr("--epoch"));
  if (getuid() == 0) {
    EXPECT_THAT(shown, HasSubstr("OMP_DISPLAY_ENV=false"));
  }
  EXPECT_THAT(ContentOf(proc + "limits"), ::testing::ContainsRegex("Max core file size +0 +0"));
  for (const char* name : {"TRAINYARD_OTHER_KEY", "NVIDIA_API_KEY", "CLOUD_PASSPHRASE"}) unsetenv(name);
}

TEST_F(WorkerProcessTest, AWorkerGetsNoDescriptorsButItsOwn) {
  const int low = open(folder_.Write("ours", "x").c_str(), O_RDONLY);
  const int ours = fcntl(low, F_DUPFD, 100);  // not close-on-exec
  close(low);
  const auto process = Start("progress 1 2\nwait");
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  for (const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", (*process)->pid(), "/fd"))) {
    EXPECT_NE(std::filesystem::read_symlink(entry).string(), folder_ / "ours");
  }
  close(ours);
}

TEST_F(WorkerProcessTest, TheLockIsTheWorkersFromItsFirstMoment) {
  auto lock = std::make_unique<FolderLock>(*FolderLock::Take(folder_.path()));
  lock_fd_ = lock->fd();
  const auto process = Start("progress 1 2\nwait");
  ASSERT_THAT(process, IsOk());
  // As if this process had died: the worker has it, however far it is.
  lock.reset();
  EXPECT_THAT(FolderLock::Take(folder_.path()), StatusIs(absl::StatusCode::kAborted));
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  EXPECT_THAT(FolderLock::Take(folder_.path()), StatusIs(absl::StatusCode::kAborted));
  (*process)->Terminate();
  (*process)->Wait(absl::Seconds(30));
  EXPECT_THAT(FolderLock::Take(folder_.path()), IsOk());
}

TEST_F(WorkerProcessTest, AWorkerIsFoundByItsFolderAndKilledAsItself) {
  const auto process = Start("progress 1 2\nhang", 7);
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  const auto running = FindWorkers(folder_.path());
  ASSERT_EQ(running.size(), 1u);
  EXPECT_EQ(running[0].pid, (*process)->pid());
  EXPECT_EQ(running[0].epoch, 7);
  EXPECT_FALSE(ActivityOf(running[0].pid)->is_stopped);
  KillWorker({.pid = running[0].pid, .epoch = 6}, folder_.path());
  KillWorker(running[0], folder_ / "elsewhere");
  EXPECT_FALSE((*process)->Wait(absl::Milliseconds(100)).has_value());
  KillWorker(running[0], folder_.path());
  EXPECT_EQ(DescribeExit(*(*process)->Wait(absl::Seconds(30))), "killed by signal 9");
  EXPECT_TRUE(FindWorkers(folder_.path()).empty());
}

TEST_F(WorkerProcessTest, AnotherEpochsJobIsNotBegun) {
  WorkerJob job;
  job.set_spec("progress 1 2");
  job.set_fencing_epoch(2);
  folder_.Write("job.pb", job.SerializeAsString());
  trainyard::testing::ChildProcess late({TRAINYARD_FAKE_WORKER, "--job", folder_.path(), "--epoch", "1"},
                                        folder_ / "worker.log");
  EXPECT_EQ(late.Wait(), 75);
  EXPECT_THAT(ContentOf(folder_ / "worker.log"), HasSubstr("started for epoch 1"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "journal.tfrecord"));
}

TEST_F(WorkerProcessTest, BeatsComeUntilTheProcessIsStopped) {
  const auto process = Start("progress 1 2\nhang");
  ASSERT_THAT(process, IsOk());
  const auto beats_within = [&process](absl::Duration time) {
    v1::WorkerBeat beat;
    const absl::Time deadline = absl::Now() + time;
    while (absl::Now() < deadline) {
      if ((*process)->ReadBeats(&beat)) return true;
      (*process)->Wait(absl::Milliseconds(20)).has_value();
    }
    return false;
  };
  EXPECT_TRUE(beats_within(absl::Seconds(30)));
  EXPECT_TRUE(beats_within(absl::Seconds(30)));
  kill((*process)->pid(), SIGSTOP);
  while (beats_within(absl::Milliseconds(10))) {
  }
  EXPECT_FALSE(beats_within(absl::Seconds(2)));
}

TEST_F(WorkerProcessTest, AStopGivesTheStepInHandUpAndSaysSo) {
  const auto process = Start("progress 1 2\nhang");
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  (*process)->Terminate();
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(8))), 143);
  EXPECT_THAT(AwaitFinished().finished().status().message(), HasSubstr("is given up"));
}

TEST_F(WorkerProcessTest, AStopWaitsForACheckpointThatIsBeingWritten) {
  const auto process = Start(absl::StrCat("progress 1 2\nsave ", folder_ / "c", " 8 300"));
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  (*process)->Terminate();
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 143);
  EXPECT_EQ(ContentOf(folder_ / "c").size(), 8u << 17);
  Await([](const WorkerEvent& event) { return event.has_checkpoint(); });
}

TEST_F(WorkerProcessTest, AStopEndsAWorkerThatSavesNothingAfterTenSeconds) {
  const auto process = Start("progress 1 2\nstall");
  ASSERT_THAT(process, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  const absl::Time before = absl::Now();
  (*process)->Terminate();
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(60))), 143);
  EXPECT_GE(absl::Now() - before, absl::Seconds(9));
  EXPECT_THAT(AwaitFinished().finished().status().message(), HasSubstr("nothing was written"));
}

TEST_F(WorkerProcessTest, MemoryIsBounded) {
  memory_bytes_ = int64_t{512} << 20;
  const auto process = Start("eat 2048");
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 1);
  const auto status = AwaitFinished().finished().status();
  EXPECT_EQ(status.code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(status.message(), HasSubstr("512 MiB; --job-memory"));
}

TEST_F(WorkerProcessTest, MemoryIsBoundedByACgroupWhereOneMayBeMade) {
  if (internal::MemoryGroup::Make(int64_t{1} << 30) == nullptr) GTEST_SKIP() << "no cgroup may be made";
  memory_bytes_ = int64_t{256} << 20;
  bounds_data_ = false;
  const auto process = Start("eat 1024");
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(DescribeExit((*process)->Wait(absl::Seconds(60)).value_or(0)), "killed by signal 9");
  EXPECT_TRUE((*process)->RanOutOfMemory());
}

TEST(MemoryGroupTest, WhatKilledProcessesLeftIsRemovedWhenItIsEmpty) {
  const TemporaryFolder folder;
  constexpr int kNobody = 1999999999;  // above every process number
  const std::string left = folder.Folder(absl::StrCat("trainyard-", kNobody, "-0"));
  const std::string in_use = folder.Folder(absl::StrCat("trainyard-", kNobody, "-1"));
  std::filesystem::create_directory(in_use + "/member");
  const std::string ours = folder.Folder(absl::StrCat("trainyard-", getpid(), "-0"));
  const std::string other = folder.Folder("trainyard-engine");
  internal::RemoveLeftGroups(folder.path());
  EXPECT_FALSE(FolderExists(left));
  for (const std::string& kept : {in_use, ours, other}) EXPECT_TRUE(FolderExists(kept)) << kept;
}

TEST_F(WorkerProcessTest, ASecondWorkerInTheFolderIsRefused) {
  const auto first = Start("progress 1 2\nwait");
  ASSERT_THAT(first, IsOk());
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  const auto second = Start("progress 2 2", 2);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(ExitCode((*second)->Wait(absl::Seconds(30))), 75);
  EXPECT_THAT(ContentOf(folder_ / "worker.log"), HasSubstr("another worker holds"));
}

TEST_F(WorkerProcessTest, AWorkerWhoseStarterIsDeadDoesNotBegin) {
  WorkerJob job;
  job.set_spec("progress 1 2");
  job.set_fencing_epoch(1);
  folder_.Write("job.pb", job.SerializeAsString());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[1]);
  trainyard::testing::ChildProcess orphan({TRAINYARD_FAKE_WORKER, "--job", folder_.path(),
                                           "--control-fd", absl::StrCat(ends[0])},
                                          folder_ / "worker.log");
  EXPECT_EQ(orphan.Wait(), 143);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "journal.tfrecord"));
  close(ends[0]);
}

TEST_F(WorkerProcessTest, StartedByHandTheKeyIsWhatADescriptorGives) {
  WorkerJob job;
  job.set_spec(absl::StrCat("write ", folder_ / "out", " $KEY"));
  folder_.Write("job.pb", job.SerializeAsString());
  const std::string command =
      absl::StrCat("exec ", TRAINYARD_FAKE_WORKER, " --job ", folder_.path(), " --key-fd 9 9< ",
                   folder_.Write("key", "by-hand"));
  trainyard::testing::ChildProcess worker({"/bin/sh", "-c", command}, folder_ / "worker.log");
  EXPECT_EQ(worker.Wait(), 0) << ContentOf(folder_ / "worker.log");
  EXPECT_EQ(ContentOf(folder_ / "out"), "by-hand");
}

TEST_F(WorkerProcessTest, EndsByItselfWhenItsStarterDies) {
  // What Process::Start does, with a control pipe that this test closes as a death would.
  WorkerJob job;
  job.set_spec("progress 1 2\nwait");
  job.set_fencing_epoch(1);
  folder_.Write("job.pb", job.SerializeAsString());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[0], 9);
  std::string job_dir = folder_.path();
  char* arguments[] = {const_cast<char*>(TRAINYARD_FAKE_WORKER), const_cast<char*>("--job"),
                       job_dir.data(), const_cast<char*>("--control-fd"), const_cast<char*>("9"),
                       nullptr};
  pid_t pid;
  ASSERT_EQ(posix_spawn(&pid, TRAINYARD_FAKE_WORKER, &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  Await([](const WorkerEvent& event) { return event.has_progress(); });
  close(ends[1]);
  int status;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(ExitCode(status), 143);
}

TEST_F(WorkerProcessTest, AProgramThatIsNotThereIsNamed) {
  EXPECT_THAT(FindProgram("trainyard-no-such-worker"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("TRAINYARD_WORKER_DIR")));
  WorkerJob job;
  EXPECT_THAT(Process::Start(job, {.program = "/no/such/worker", .job_dir = folder_.path()}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/no/such/worker")));
}

}  // namespace
}  // namespace trainyard::worker
