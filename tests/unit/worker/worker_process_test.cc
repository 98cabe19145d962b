// Real worker processes: what libs/worker's two sides promise each other.
#include "libs/worker/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/worker/journal.h"
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
    job.set_key_env("TRAINYARD_TEST_KEY");
    return Process::Start(job, {.program = TRAINYARD_FAKE_WORKER,
                                .job_dir = folder_.path(),
                                .environment = {{"TRAINYARD_TEST_KEY", "open-sesame"}},
                                .log_path = folder_ / "worker.log"});
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

TEST_F(WorkerProcessTest, TheKeyComesByTheEnvironmentAndIsNotOnTheDisk) {
  const auto process = Start(absl::StrCat("write ", folder_ / "out", " $KEY"));
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ(ExitCode((*process)->Wait(absl::Seconds(30))), 0);
  EXPECT_EQ(ContentOf(folder_ / "out"), "open-sesame");
  EXPECT_THAT(ContentOf(folder_ / "job.pb"), Not(HasSubstr("open-sesame")));
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
