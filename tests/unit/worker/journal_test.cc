#include "libs/worker/journal.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/records.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::worker {
namespace {

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

TEST(JournalTest, OneFolderHasOneWriter) {
  const TemporaryFolder folder;
  auto journal = Journal::Open(folder.path(), 1);
  ASSERT_THAT(journal, IsOk());
  EXPECT_THAT(Journal::Open(folder.path(), 2),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("another worker holds")));
  journal->reset();
  EXPECT_THAT(Journal::Open(folder.path(), 2), IsOk());
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

}  // namespace
}  // namespace trainyard::worker
