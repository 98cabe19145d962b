#include "libs/worker/run_alone.h"

#include <stdlib.h>

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class RunAloneTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(setenv("TMPDIR", folder_.path().c_str(), 1), 0); }
  void TearDown() override { unsetenv("TMPDIR"); }

  absl::StatusOr<Finished> Run(const std::string& spec,
                               absl::Duration patience = absl::InfiniteDuration()) {
    WorkerJob job;
    job.set_spec(spec);
    return RunAlone(TRAINYARD_FAKE_WORKER, job, "open-sesame", patience);
  }
  bool IsEmpty() const { return std::filesystem::is_empty(folder_.path()); }

  const TemporaryFolder elsewhere_, folder_;
};

TEST_F(RunAloneTest, GivesWhatTheWorkerSaysAndLeavesNothing) {
  const auto finished = Run("note one\nwrite " + elsewhere_ / "key" + " $KEY\nnote two");
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(finished->notes(), ElementsAre("one", "two"));
  EXPECT_EQ(ContentOf(elsewhere_ / "key"), "open-sesame");
  EXPECT_TRUE(IsEmpty());
}

// Kills: events that are polled away before the end lose the Finished, or the progress is not told.
TEST_F(RunAloneTest, TellsOfProgressAndStillGivesTheEnd) {
  WorkerJob job;
  job.set_spec("progress 3 8\nprogress 8 8\nnote done");
  std::vector<double> told;
  const auto finished = RunAlone(
      TRAINYARD_FAKE_WORKER, job, "",
      AloneOptions{.on_progress = [&told](const auto& progress) { told.push_back(progress.done()); }});
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(told, ElementsAre(3, 8));
  EXPECT_THAT(finished->notes(), ElementsAre("done"));
}

TEST_F(RunAloneTest, FailsAsTheWorkerDoes) {
  EXPECT_THAT(Run("fail 5 no such thing"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such thing")));
  EXPECT_TRUE(IsEmpty());
}

TEST_F(RunAloneTest, ACrashIsAnError) {
  const auto crashed = Run("kill");
  EXPECT_THAT(crashed, StatusIs(absl::StatusCode::kInternal, HasSubstr("killed by signal 9")));
  EXPECT_EQ(ReasonOf(crashed.status()), "WORKER_CRASHED");
}

TEST_F(RunAloneTest, OneThatTakesTooLongIsKilled) {
  EXPECT_THAT(Run("hang", absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("within 200ms")));
  EXPECT_TRUE(IsEmpty());
}

}  // namespace
}  // namespace trainyard::worker
