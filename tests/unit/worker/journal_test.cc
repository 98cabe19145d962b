#include "libs/worker/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/records.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

WorkerEvent ProgressEvent(double done) {
  WorkerEvent event;
  event.mutable_progress()->set_done(done);
  return event;
}

TEST(JournalTest, ReaderSeesEventsInOrderWithoutGaps) {
  const TemporaryFolder folder;
  JournalReader reader(folder.path());
  EXPECT_THAT(reader.Poll(), IsOkAndHolds(IsEmpty()));
  const auto journal = Journal::Open(folder.path(), 7);
  ASSERT_THAT(journal, IsOk());
  ASSERT_THAT((*journal)->Append(ProgressEvent(1)), IsOk());
  ASSERT_THAT((*journal)->Append(ProgressEvent(2)), IsOk());
  const auto events = reader.Poll();
  ASSERT_THAT(events, IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ((*events)[1].sequence(), 2);
  EXPECT_EQ((*events)[1].fencing_epoch(), 7);
  EXPECT_EQ((*events)[1].progress().done(), 2);
  EXPECT_GT((*events)[1].time().seconds(), 0);
  EXPECT_THAT(reader.Poll(), IsOkAndHolds(IsEmpty()));
}

TEST(JournalTest, EventsComeOneByOneUntilTheirTakerHasEnough) {
  const TemporaryFolder folder;
  const auto journal = Journal::Open(folder.path(), 1);
  for (int i = 1; i <= 3; ++i) ASSERT_THAT((*journal)->Append(ProgressEvent(i)), IsOk());
  JournalReader reader(folder.path());
  std::vector<int64_t> seen;
  const auto until = [&seen](int64_t last) {
    return [&seen, last](const WorkerEvent& event) {
      seen.push_back(event.sequence());
      return event.sequence() == last ? absl::CancelledError("enough") : absl::OkStatus();
    };
  };
  EXPECT_THAT(reader.ForEach(until(2)), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(reader.ForEach(until(4)), IsOk());
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

TEST(JournalTest, OneFolderHasOneWriter) {
  const TemporaryFolder folder;
  auto journal = Journal::Open(folder.path(), 1);
  ASSERT_THAT(journal, IsOk());
  EXPECT_THAT(Journal::Open(folder.path(), 2),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("another worker holds")));
  journal->reset();
  EXPECT_THAT(Journal::Open(folder.path(), 2), IsOk());
}

TEST(JournalTest, TheLastWordIsTheLast) {
  const TemporaryFolder folder;
  const auto journal = Journal::Open(folder.path(), 1);
  WorkerEvent finished;
  finished.mutable_finished();
  ASSERT_THAT((*journal)->Append(finished), IsOk());
  EXPECT_THAT((*journal)->Append(ProgressEvent(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT((*journal)->Append(finished), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(JournalReader(folder.path()).Poll(), IsOkAndHolds(SizeIs(1)));
}

TEST(FolderLockTest, IsOfTheFileThatHasTheNameNow) {
  const TemporaryFolder folder;
  const auto lock = FolderLock::Take(folder.path());
  ASSERT_THAT(lock, IsOk());
  EXPECT_THAT(FolderLock::Take(folder.path()), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(FolderLock::Inherit(folder.path(), dup(lock->fd())), IsOk());
  std::filesystem::remove(folder / "lock");
  const auto other = FolderLock::Take(folder.path());
  EXPECT_THAT(other, IsOk());
  EXPECT_THAT(FolderLock::Inherit(folder.path(), dup(lock->fd())),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("was replaced")));
}

TEST(FolderLockTest, WhoHasACopyOfItsDescriptorHoldsIt) {
  const TemporaryFolder folder;
  int copy;
  {
    const auto lock = FolderLock::Take(folder.path());
    copy = dup(lock->fd());
  }
  EXPECT_THAT(FolderLock::Take(folder.path()), StatusIs(absl::StatusCode::kAborted));
  close(copy);
  EXPECT_THAT(FolderLock::Take(folder.path()), IsOk());
}

TEST(FolderLockTest, ADescriptorThatDoesNotHoldItIsRefused) {
  const TemporaryFolder folder;
  const auto lock = FolderLock::Take(folder.path());
  const int other = open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_THAT(FolderLock::Inherit(folder.path(), other), StatusIs(absl::StatusCode::kAborted));
}

TEST(JournalTest, AnOlderEpochIsRefusedAndTheSequenceGoesOn) {
  const TemporaryFolder folder;
  {
    const auto journal = Journal::Open(folder.path(), 5);
    ASSERT_THAT((*journal)->Append(ProgressEvent(1)), IsOk());
  }
  EXPECT_THAT(Journal::Open(folder.path(), 4),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("epoch 5")));
  const auto journal = Journal::Open(folder.path(), 6);
  ASSERT_THAT((*journal)->Append(ProgressEvent(2)), IsOk());
  const auto events = JournalReader(folder.path()).Poll();
  ASSERT_THAT(events, IsOkAndHolds(SizeIs(2)));
  EXPECT_EQ((*events)[1].sequence(), 2);
}

TEST(JournalTest, ATornTailIsCutAndTheReaderGoesOn) {
  const TemporaryFolder folder;
  ASSERT_THAT((*Journal::Open(folder.path(), 1))->Append(ProgressEvent(1)), IsOk());
  JournalReader reader(folder.path());
  ASSERT_THAT(reader.Poll(), IsOkAndHolds(SizeIs(1)));
  const std::string record = FrameRecord(ProgressEvent(9).SerializeAsString());
  std::ofstream(folder / "journal.tfrecord", std::ios::app | std::ios::binary)
      << record.substr(0, record.size() - 3);
  EXPECT_THAT(reader.Poll(), IsOkAndHolds(IsEmpty()));
  ASSERT_THAT((*Journal::Open(folder.path(), 2))->Append(ProgressEvent(2)), IsOk());
  const auto events = reader.Poll();
  ASSERT_THAT(events, IsOkAndHolds(SizeIs(1)));
  EXPECT_EQ((*events)[0].progress().done(), 2);
}

TEST(JournalTest, AFifoIsNotWaitedAt) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "journal.tfrecord").c_str(), 0600), 0);
  const auto is_refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a FIFO"));
  ASSERT_THAT(JournalReader(folder.path()).Poll(), is_refused);
  EXPECT_THAT(Journal::Open(folder.path(), 1), is_refused);
}

TEST(JournalTest, DamageIsNoEnd) {
  const TemporaryFolder folder;
  ASSERT_THAT((*Journal::Open(folder.path(), 1))->Append(ProgressEvent(1)), IsOk());
  std::fstream file(folder / "journal.tfrecord", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(14);
  file.put('\x55');
  file.close();
  EXPECT_THAT(JournalReader(folder.path()).Poll(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Journal::Open(folder.path(), 2), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(JournalTest, TextThatIsNotUtf8CostsNothing) {
  const TemporaryFolder folder;
  const auto journal = Journal::Open(folder.path(), 1);
  ASSERT_THAT(journal, IsOk());
  WorkerEvent event;
  Finished& finished = *event.mutable_finished();
  finished.add_notes("left out: images/m\xFCll.jpg");
  finished.add_notes("Fu\u00DF\tand \x1B");
  finished.add_outputs()->set_uri("out/stra\xDF" "e");
  finished.add_metrics()->set_class_name("Fu\xDF");
  ASSERT_THAT((*journal)->Append(event), IsOk());
  const auto events = JournalReader(folder.path()).Poll();
  ASSERT_THAT(events, IsOkAndHolds(SizeIs(1)));
  const Finished& read = events->front().finished();
  EXPECT_EQ(read.notes(0), "left out: images/m\\xfcll.jpg");
  EXPECT_EQ(read.notes(1), "Fu\u00DF\tand \x1B");
  EXPECT_EQ(read.outputs(0).uri(), "out/stra\\xdfe");
  EXPECT_EQ(read.metrics(0).class_name(), "Fu\\xdf");
}

}  // namespace
}  // namespace trainyard::worker
