// What a training leaves beside its checkpoints: the log, TensorBoard's events, the digest of a
// spec.

#include <cstdlib>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/networks/registry.h"
#include "libs/training/epoch_log.h"
#include "libs/training/start.h"
#include "libs/training/tensorboard.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::training {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::TemporaryFolder;

TEST(EpochLogTest, ColumnsAreSortedByBytesAndMissingValuesAreNan) {
  const TemporaryFolder folder;
  const std::string path = folder / "log.csv";
  auto log = EpochLog::Open(path, {"loss", "mAP", "AP_wbc", "lr"}, 1);
  ASSERT_THAT(log, IsOk());
  ASSERT_THAT(log->Append(1, {{"loss", 2.5}, {"lr", 0.001}}), IsOk());
  ASSERT_THAT(log->Append(2, {{"loss", 2}, {"lr", 0.001}, {"mAP", 0.5}, {"AP_wbc", 0.5}}), IsOk());
  EXPECT_THAT(ReadFile(path),
              IsOkAndHolds("epoch,AP_wbc,loss,lr,mAP\n1,nan,2.5,0.001,nan\n2,0.5,2,0.001,0.5\n"));
}

TEST(EpochLogTest, AResumedTrainingKeepsTheRowsBeforeItAndDropsACutOne) {
  const TemporaryFolder folder;
  const std::string path = folder / "log.csv";
  ASSERT_THAT(WriteFileAtomically(path, "epoch,loss\n1,3\n2,2\n3,1\n4,0."), IsOk());
  auto log = EpochLog::Open(path, {"loss"}, 3);
  ASSERT_THAT(log, IsOk());
  ASSERT_THAT(log->Append(3, {{"loss", 1.5}}), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("epoch,loss\n1,3\n2,2\n3,1.5\n"));
}

TEST(EpochLogTest, OtherColumnsKeepTheRowsAndANameMayHaveACommaOrQuotes) {
  const TemporaryFolder folder;
  const std::string path = folder / "log.csv";
  ASSERT_THAT(WriteFileAtomically(path, "epoch,AP_old,loss\n1,0.5,3\n2,0.6,2\n"), IsOk());
  ASSERT_THAT(EpochLog::Open(path, {"loss", "AP_nut, \"hex\"", "lr"}, 3), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("epoch,\"AP_nut, \"\"hex\"\"\",loss,lr\n"
                                           "1,nan,3,nan\n2,nan,2,nan\n"));
  auto log = EpochLog::Open(path, {"AP_nut, \"hex\"", "loss"}, 2);
  ASSERT_THAT(log, IsOk());
  ASSERT_THAT(log->Append(2, {{"AP_nut, \"hex\"", 0.25}, {"loss", 1}}), IsOk());
  EXPECT_THAT(ReadFile(path),
              IsOkAndHolds("epoch,\"AP_nut, \"\"hex\"\"\",loss\n1,nan,3\n2,0.25,1\n"));
}

TEST(EpochLogTest, AFreshTrainingStartsOver) {
  const TemporaryFolder folder;
  const std::string path = folder / "log.csv";
  ASSERT_THAT(WriteFileAtomically(path, "epoch,loss\n1,3\n"), IsOk());
  ASSERT_THAT(EpochLog::Open(path, {"loss"}, 1), IsOk());
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("epoch,loss\n"));
}

std::string Hex(const std::string& bytes) { return absl::BytesToHexString(bytes); }

// Golden records, read back by TensorBoard's own reader when they were made.
TEST(TensorBoardTest, RecordsAreThoseThatTensorBoardReads) {
  EXPECT_EQ(Hex(FrameRecord(FileVersionEvent(1.0))),
            "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a");
  EXPECT_EQ(Hex(FrameRecord(ScalarEvent(1.0, 1, "loss", 0.5f))),
            "1a00000000000000129bd82d09000000000000f03f10012a0d0a0b0a046c6f7373150000003f27f95db1");
}

TEST(TensorBoardTest, AFileBeginsWithItsVersionAndHoldsWholeRecords) {
  const TemporaryFolder folder;
  {
    auto writer = TensorBoardWriter::Create(folder / "events", absl::UnixEpoch());
    ASSERT_THAT(writer, IsOk());
    ASSERT_THAT(writer->Scalar(7, "lr", 0.25), IsOk());
    ASSERT_THAT(writer->Image(0, "batch_imgs/0", 2, 1, "png"), IsOk());
  }
  auto names = ListFolder(folder / "events");
  ASSERT_THAT(names, IsOk());
  ASSERT_EQ(names->size(), 1u);
  EXPECT_THAT(names->front(), StartsWith("events.out.tfevents.0000000000."));
  auto reader = RecordReader::Open(JoinPath(folder / "events", names->front()));
  ASSERT_THAT(reader, IsOk());
  EXPECT_THAT(reader->Next(), IsOkAndHolds(HasSubstr("brain.Event:2")));
  EXPECT_THAT(reader->Next(), IsOkAndHolds(HasSubstr("lr")));
  EXPECT_THAT(reader->Next(), IsOkAndHolds(HasSubstr("batch_imgs/0")));
}

TEST(SpecDigestTest, WhereFilesLieDoesNotCountButEverythingElseDoes) {
  const std::string here = SpecDigest("epochs: 3 path: \"/a/b\" arch: \"resnet\"");
  EXPECT_EQ(here, SpecDigest("epochs: 3 path: \"/c \\\" d\" arch: \"resnet\""));
  EXPECT_NE(here, SpecDigest("epochs: 4 path: \"/a/b\" arch: \"resnet\""));
  EXPECT_NE(here, SpecDigest("epochs: 3 path: \"/a/b\" arch: \"vgg\""));
}

TEST(TrainingDigestTest, HowLongAndHowOftenItIsLookedAtDoesNotCount) {
  const auto Digest = [](absl::string_view spec) {
    return TrainingDigest(spec, networks::FieldsOf("ssd").not_of_the_weights);
  };
  const std::string plain = Digest("a { num_epochs: 3 arch: \"x\" } b: 1");
  EXPECT_EQ(plain, Digest("a {\n  num_epochs: 80\n  n_workers: 2\n  arch: \"x\"\n}\nb: 1"));
  EXPECT_EQ(plain,
            Digest("a { arch: \"x\" checkpoint_interval: 5 visualizer { enabled: true "
                           "runtime_args { key: \"}\" } } } b: 1"));
  // A training that is resumed is the one that it goes on with, wherever that lies.
  EXPECT_EQ(plain,
            Digest("a { arch: \"x\" resume_model_path: \"/my models/a.tlt\" } b: 1"));
  EXPECT_NE(plain, Digest("a { arch: \"x\" pretrain_model_path: \"/a.tlt\" } b: 1"));
  EXPECT_NE(plain, Digest("a { num_epochs: 3 arch: \"x\" } b: 2"));
  EXPECT_NE(plain, Digest("a { num_epochs: 3 arch: \"x num_epochs: 3\" } b: 1"));
  EXPECT_NE(plain, Digest("a { num_epochs: 3 } b: 1"));
}

}  // namespace
}  // namespace trainyard::training
