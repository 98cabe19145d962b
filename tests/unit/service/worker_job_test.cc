// Operations whose work is a real worker process.
#include "libs/service/worker_job.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/records.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/service/client.h"
#include "libs/service/internal/worker_outputs.h"
#include "libs/worker/folder_lock.h"
#include "libs/worker/journal.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/service_operations.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/v1/train.pb.h"

namespace trainyard::service {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::AwaitOperation;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using Metadata = v1::OperationMetadata;

class WorkerJobTest : public ::testing::Test {
 protected:
  WorkerJobTest()
      : workspace_(*Workspace::Create(folder_.Folder("work"))), job_dir_(folder_ / "work/run/.trainyard") {}
  void SetUp() override { Restart(); }

  void Restart() {
    manager_.reset();
    auto manager = OperationManager::Create(
        {.service = "train", .replica = "r1", .state_dir = folder_ / "state", .threads = 3});
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    manager_->AddStage(StageOf<v1::TrainRequest>(
        "train", [this](const v1::TrainRequest& request) -> absl::StatusOr<StageRun> {
          worker::WorkerJob job;
          job.set_spec(request.stage().spec_text());
          job.mutable_train()->set_results_dir(folder_ / "work/run");
          return StageRun([this, job](OperationContext& context) {
            return RunWorkerJob(context, job, {.program = TRAINYARD_FAKE_WORKER,
                                               .job_dir = job_dir_,
                                               .max_attempts = max_attempts_,
                                               .workspace = &workspace_,
                                               .memory_bytes = memory_bytes_,
                                               .patience = patience_});
          });
        }));
    ASSERT_THAT(manager_->Begin("host:1"), IsOk());
  }

  std::string StartOne(const std::string& spec, const std::string& key = "") {
    v1::TrainRequest request;
    request.mutable_stage()->set_spec_text(spec);
    request.mutable_stage()->set_key(key);
    const auto operation = manager_->Start("train", request);
    EXPECT_THAT(operation, IsOk());
    return operation.ok() ? operation->name() : "";
  }
  Metadata AwaitProgress(const std::string& name, double done) {
    return MetadataOf(AwaitOperation(*manager_, name, [done](const Operation&, const Metadata& now) {
      return now.progress().done() >= done;
    }));
  }
  static pid_t PidIn(const Metadata& metadata) {
    const std::vector<std::string> parts = absl::StrSplit(metadata.worker(), ':');
    int pid = 0;
    EXPECT_TRUE(parts.size() == 2 && absl::SimpleAtoi(parts[1], &pid)) << metadata.worker();
    return pid;
  }
  std::string CheckpointLine() const {
    return absl::StrCat("checkpoint ", folder_ / "work/run/epoch_1.tlt", "\n");
  }

  TemporaryFolder folder_;
  Workspace workspace_;
  std::string job_dir_;
  int max_attempts_ = 1;
  int64_t memory_bytes_ = 0;
  WorkerPatience patience_;
  std::unique_ptr<OperationManager> manager_;
};

TEST_F(WorkerJobTest, EventsBecomeMetadataAndFinishedTheResult) {
  const std::string model = folder_ / "work/run/last.tlt";
  const Operation done = AwaitDone(
      *manager_, StartOne(absl::StrCat("progress 1 4\nmetric mAP 0.5\nmetric mAP 0.75\n",
                                       CheckpointLine(), "warn two boxes were left out\nwrite ", model,
                                       " abc\noutput last ", model, " tlt\nnote fine\nprogress 4 4")));
  const auto result = ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->outputs(0).uri(), "run/last.tlt");
  EXPECT_EQ(result->outputs(0).size_bytes(), 3);
  EXPECT_EQ(result->outputs(0).sha256().substr(0, 8), "ba7816bf");
  EXPECT_EQ(result->notes(0), "fine");
  const Metadata metadata = MetadataOf(done);
  EXPECT_EQ(metadata.progress().done(), 4);
  ASSERT_EQ(metadata.metrics_size(), 1);
  EXPECT_EQ(metadata.metrics(0).value(), 0.75);
  EXPECT_EQ(metadata.resume_uri(), "run/epoch_1.tlt");
  EXPECT_EQ(metadata.log_uri(), "run/.trainyard/worker.log");
  ASSERT_EQ(metadata.warnings_size(), 1);
  EXPECT_EQ(metadata.warnings(0).message(), "two boxes were left out");
}

TEST_F(WorkerJobTest, TheWorkerGetsItsThreadsAndItsKey) {
  const std::string out = folder_ / "work/out";
  const std::string name =
      StartOne(absl::StrCat("write ", out, " $KEY $THREADS $EPOCH"), "open-sesame-worker");
  ASSERT_THAT(ResultOf(AwaitDone(*manager_, name)), IsOk());
  EXPECT_EQ(ContentOf(out), "open-sesame-worker 3 1");
}

TEST_F(WorkerJobTest, AWorkersFailureKeepsItsCode) {
  const Operation done = AwaitDone(*manager_, StartOne("fail 3 the key does not open the model"));
  EXPECT_THAT(ResultOf(done), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("the key does not open the model")));
}

TEST_F(WorkerJobTest, AKilledWorkerIsInternalAndSaysHow) {
  const std::string name = StartOne(CheckpointLine() + "log about to divide\nprogress 1 4\nwait");
  const Metadata metadata = AwaitProgress(name, 1);
  ASSERT_EQ(kill(PidIn(metadata), SIGKILL), 0);
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_THAT(ResultOf(done),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("trainyard-fake-worker was killed by signal 9"),
                             HasSubstr("about to divide"))));
  EXPECT_EQ(worker::ReasonOf(ResultOf(done).status()), "WORKER_CRASHED");
  EXPECT_EQ(MetadataOf(done).resume_uri(), "run/epoch_1.tlt");
}

TEST_F(WorkerJobTest, AFolderThatIsGoneIsNamed) {
  const std::string name = StartOne("progress 1 2\nwait");
  const pid_t worker = PidIn(AwaitProgress(name, 1));
  std::filesystem::rename(folder_ / "work/run", folder_ / "work/elsewhere");
  ASSERT_EQ(kill(worker, SIGKILL), 0);
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("signal 9"),
                             HasSubstr("'run/.trainyard' is not there any more"))));
}

TEST_F(WorkerJobTest, AKilledWorkerIsStartedAgainFromItsCheckpointWhenAllowed) {
  max_attempts_ = 2;
  const std::string out = folder_ / "work/out";
  const std::string name = StartOne(absl::StrCat("@1 ", CheckpointLine(), "@1 kill\n@2 write ", out,
                                                 " $RESUME $EPOCH"));
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_THAT(ResultOf(done), IsOk());
  EXPECT_EQ(ContentOf(out), absl::StrCat(folder_ / "work/run/epoch_1.tlt", " 2"));
  EXPECT_EQ(MetadataOf(done).attempt(), 2);
}

TEST_F(WorkerJobTest, ACancelStopsTheWorkerWithinTwoSeconds) {
  const std::string name = StartOne(CheckpointLine() + "progress 1 4\nwait");
  AwaitProgress(name, 1);
  const absl::Time before = absl::Now();
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_LT(absl::Now() - before, absl::Seconds(2));
  EXPECT_EQ(MetadataOf(done).state(), Metadata::CANCELLED);
  EXPECT_EQ(MetadataOf(done).resume_uri(), "run/epoch_1.tlt");
}

TEST_F(WorkerJobTest, AWorkerThatDoesNotListenIsKilledWithinTwoSeconds) {
  const std::string name = StartOne("progress 1 4\nhang");
  const pid_t pid = PidIn(AwaitProgress(name, 1));
  const absl::Time before = absl::Now();
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_LT(absl::Now() - before, absl::Seconds(2));
  EXPECT_EQ(MetadataOf(done).state(), Metadata::CANCELLED);
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(WorkerJobTest, ACancelWaitsForACheckpointAndSaysWhereItIs) {
  const std::string path = folder_ / "work/run/weights/interrupted.tlt";
  std::filesystem::create_directories(folder_ / "work/run/weights");
  const std::string name = StartOne(absl::StrCat("progress 1 4\nsave ", path, " 10 300"));
  AwaitProgress(name, 1);
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  // Acknowledged at once: the checkpoint takes 3 s.
  EXPECT_EQ(MetadataOf(*manager_->Get(name)).state(), Metadata::CANCELLING);
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_EQ(MetadataOf(done).state(), Metadata::CANCELLED);
  EXPECT_EQ(ContentOf(path).size(), 10u << 17);
  EXPECT_EQ(MetadataOf(done).resume_uri(), "run/weights/interrupted.tlt");
  EXPECT_THAT(ResultOf(done).status().message(),
              AllOf(HasSubstr("'run/weights/interrupted.tlt'"), HasSubstr("--resume")));
}

TEST_F(WorkerJobTest, ACancelBeforeAnythingIsSavedSaysSo) {
  const std::string name = StartOne("progress 1 4\nwait");
  AwaitProgress(name, 1);
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)).status().message(),
              HasSubstr("nothing was saved"));
}

TEST_F(WorkerJobTest, AStopThatNobodyAskedForMayBeTriedAgain) {
  const std::string name = StartOne("progress 1 4\nwait");
  ASSERT_EQ(kill(PidIn(AwaitProgress(name, 1)), SIGTERM), 0);
  const auto result = ResultOf(AwaitDone(*manager_, name));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kAborted, HasSubstr("SIGTERM")));
  EXPECT_EQ(worker::ReasonOf(result.status()), "WORKER_STOPPED");
}

TEST_F(WorkerJobTest, AWorkerThatIsStoppedIsNoticed) {
  patience_.silence = 3;
  const std::string name = StartOne("progress 1 4\nwait");
  const pid_t pid = PidIn(AwaitProgress(name, 1));
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  const auto result = ResultOf(AwaitDone(*manager_, name));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kAborted, HasSubstr("no sign of life for 3 s")));
  EXPECT_EQ(worker::ReasonOf(result.status()), "WORKER_SILENT");
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(WorkerJobTest, AStoppedWorkerIsKilledAfterACancel) {
  patience_.still = 1;
  const std::string name = StartOne("progress 1 4\nwait");
  const pid_t pid = PidIn(AwaitProgress(name, 1));
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  EXPECT_EQ(MetadataOf(AwaitDone(*manager_, name)).state(), Metadata::CANCELLED);
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(WorkerJobTest, AJobHasNoMoreMemoryThanItMay) {
  memory_bytes_ = int64_t{512} << 20;
  const auto result = ResultOf(AwaitDone(*manager_, StartOne("eat 2048")));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr("512 MiB"), HasSubstr("--job-memory"))));
}

TEST_F(WorkerJobTest, AForgedEndIsNotBelieved) {
  const std::string name = StartOne("progress 1 4\nwait");
  const pid_t pid = PidIn(AwaitProgress(name, 1));
  worker::WorkerEvent event;
  event.set_sequence(3);
  event.set_fencing_epoch(1);
  event.mutable_finished()->mutable_status();
  auto* output = event.mutable_finished()->add_outputs();
  output->set_name("model");
  output->set_uri("/etc/passwd");
  output->set_sha256(std::string(64, '0'));
  output->set_size_bytes(1);
  *event.mutable_finished()->add_outputs() = *output;
  event.mutable_finished()->mutable_outputs(1)->set_uri(folder_.Write("work/there", "abc"));
  auto journal = RecordWriter::Open(job_dir_ + "/journal.tfrecord", true);
  ASSERT_THAT(journal->Write(event.SerializeAsString()), IsOk());
  kill(pid, SIGKILL);
  const auto result = ResultOf(AwaitDone(*manager_, name));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("'model' at '/etc/passwd' is none of this job's"),
                                     HasSubstr("has 3 bytes; the worker reported 1"))));
  EXPECT_EQ(worker::ReasonOf(result.status()), "OUTPUT_NOT_AS_REPORTED");
}

// What one job of an operation leaves for the next lies in the operation's folder, outside of the workspace.
TEST_F(WorkerJobTest, AnOutputMayLieInTheJobsOwnFolder) {
  job_dir_ = folder_ / "state/scratch";
  const auto result = [&](const std::string& path) {
    return ResultOf(AwaitDone(*manager_, StartOne(absl::StrCat("write ", path, " abc\noutput table ",
                                                               path, " calibration"))));
  };
  EXPECT_THAT(result(folder_ / "state/scratch/table.txt"), IsOk());
  EXPECT_THAT(result(folder_ / "state/scratch/../table.txt"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("none of this job's")));
}

TEST_F(WorkerJobTest, AnOutputIsWhatTheWorkerReported) {
  const std::string model = folder_ / "work/run/last.tlt";
  for (const char* digest : {"", " 0000"}) {
    const auto result = ResultOf(AwaitDone(
        *manager_, StartOne(absl::StrCat("write ", model, " abc\noutput last ", model, " tlt 3", digest))));
    if (*digest == '\0') {
      EXPECT_THAT(result, IsOk());
    } else {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("the worker reported 0000")));
    }
  }
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne(absl::StrCat("output last ", model, "x tlt")))),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is not there")));
}

// Reading them takes minutes when they are large.
TEST_F(WorkerJobTest, TheCheckOfOutputsHearsAStop) {
  worker::v1::Finished finished;
  finished.mutable_status();
  v1::Artifact* output = finished.add_outputs();
  output->set_name("model");
  output->set_uri(folder_.Write("work/model", "abc"));
  std::stop_source stop;
  EXPECT_THAT(VerifiedResult(finished, &workspace_, job_dir_, stop.get_token()), IsOk());
  stop.request_stop();
  EXPECT_THAT(VerifiedResult(finished, &workspace_, job_dir_, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(WorkerJobTest, AnEventThatTheWorkerDidNotWriteIsNoticed) {
  for (const int sequence : {2, 3}) {
    const std::string name = StartOne("progress 1 4\nwait");
    AwaitProgress(name, 1);
    worker::WorkerEvent event;
    event.set_sequence(sequence);
    event.set_fencing_epoch(1);
    // In the worker's place, or in the name of an older one.
    if (sequence == 3) event.set_fencing_epoch(0);
    event.mutable_progress()->set_done(4);
    ASSERT_THAT(RecordWriter::Open(job_dir_ + "/journal.tfrecord", true)->Write(event.SerializeAsString()),
                IsOk());
    const auto result = ResultOf(AwaitDone(*manager_, name));
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("something else writes there")));
    std::filesystem::remove_all(job_dir_);
  }
}

TEST_F(WorkerJobTest, AJobFolderThatLeadsElsewhereIsNotFollowed) {
  GuardWrites(workspace_.root());
  const std::string elsewhere = folder_.Folder("elsewhere");
  std::filesystem::create_directories(folder_ / "work/run");
  std::filesystem::create_directory_symlink(elsewhere, job_dir_);
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne("progress 1 4"))),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("by a symbolic link")));
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere));
}

TEST_F(WorkerJobTest, TheWorkerTooIsKeptWithinTheWorkspace) {
  const std::string elsewhere = folder_.Folder("elsewhere");
  std::filesystem::create_directory_symlink(elsewhere, folder_ / "work/weights");
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne(absl::StrCat("put ", folder_ / "work/weights/m")))),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("by a symbolic link")));
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere));
}

TEST_F(WorkerJobTest, ARestartGoesOnFromTheCheckpoint) {
  const std::string out = folder_ / "work/out";
  const std::string name = StartOne(absl::StrCat("@1 ", CheckpointLine(), "@1 progress 1 4\n@1 wait\n",
                                                 "write ", out, " $RESUME $EPOCH"));
  AwaitProgress(name, 1);
  Restart();
  const Operation done = AwaitDone(*manager_, name);
  EXPECT_THAT(ResultOf(done), IsOk());
  EXPECT_EQ(ContentOf(out), absl::StrCat(folder_ / "work/run/epoch_1.tlt", " 2"));
  EXPECT_EQ(MetadataOf(done).attempt(), 2);
}

TEST_F(WorkerJobTest, ANewOperationInAUsedFolderBeginsFresh) {
  ASSERT_THAT(ResultOf(AwaitDone(*manager_, StartOne(CheckpointLine()))), IsOk());
  const std::string out = folder_ / "work/out";
  ASSERT_THAT(ResultOf(AwaitDone(*manager_, StartOne(absl::StrCat("write ", out, " [$RESUME] $EPOCH")))),
              IsOk());
  EXPECT_EQ(ContentOf(out), "[] 2");
}

TEST_F(WorkerJobTest, AFolderThatAnotherOperationUsedSinceIsLeftAlone) {
  const std::string name = StartOne("progress 1 4\nwait");
  AwaitProgress(name, 1);
  manager_.reset();
  worker::WorkerEvent event;
  event.mutable_progress()->set_done(1);
  ASSERT_THAT((*worker::Journal::Open(job_dir_, 9))->Append(event), IsOk());
  Restart();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, name)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another operation")));
}

TEST_F(WorkerJobTest, AFolderThatSomebodyElseHoldsIsInUse) {
  patience_.folder = 0.5;
  std::filesystem::create_directories(job_dir_);
  auto lock = std::make_unique<worker::FolderLock>(*worker::FolderLock::Take(job_dir_));
  const auto result = ResultOf(AwaitDone(*manager_, StartOne("progress 1 4")));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kAborted, HasSubstr("holds '" + job_dir_)));
  EXPECT_EQ(worker::ReasonOf(result.status()), "FOLDER_IN_USE");
  lock.reset();
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne("progress 1 4"))), IsOk());
}

TEST_F(WorkerJobTest, AnOperationMayRunOneWorkerAfterAnother) {
  manager_.reset();
  manager_ = *OperationManager::Create({.service = "train", .state_dir = folder_ / "state"});
  manager_->AddStage(StageOf<v1::TrainRequest>(
      "train", [](const v1::TrainRequest&) -> absl::StatusOr<StageRun> {
        return StageRun([](OperationContext& context) -> absl::StatusOr<v1::StageResult> {
          v1::StageResult all;
          for (const char* note : {"first", "second"}) {
            worker::WorkerJob job;
            job.set_spec(absl::StrCat("note ", note));
            TY_ASSIGN_OR_RETURN(const v1::StageResult one,
                                RunWorkerJob(context, job, {.program = TRAINYARD_FAKE_WORKER}));
            all.MergeFrom(one);
          }
          return all;
        });
      }));
  ASSERT_THAT(manager_->Begin(""), IsOk());
  const auto result = ResultOf(AwaitDone(*manager_, StartOne("")));
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->notes(), ::testing::ElementsAre("first", "second"));
}

TEST_F(WorkerJobTest, AProgramThatIsMissingIsNamed) {
  manager_.reset();
  manager_ = *OperationManager::Create({.service = "train", .state_dir = folder_ / "state"});
  manager_->AddStage(StageOf<v1::TrainRequest>(
      "train", [](const v1::TrainRequest&) -> absl::StatusOr<StageRun> {
        return StageRun([](OperationContext& context) {
          return RunWorkerJob(context, {}, {.program = "trainyard-no-such-worker"});
        });
      }));
  ASSERT_THAT(manager_->Begin(""), IsOk());
  EXPECT_THAT(ResultOf(AwaitDone(*manager_, StartOne(""))),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("trainyard-no-such-worker")));
}

}  // namespace
}  // namespace trainyard::service
