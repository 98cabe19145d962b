#include "libs/data/kitti_folder.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/exif.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::KittiLine;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using testing::WriteKittiFrame;

class ScanKittiFolderTest : public ::testing::Test {
 protected:
  absl::StatusOr<Ledger> Scan(int threads = 1, const std::string& extension = "") {
    const KittiFolder kitti{.image_dir = folder_ / "images",
                            .label_dir = folder_ / "labels",
                            .id_prefix = "images",
                            .image_extension = extension,
                            .image_dir_shown = "images",
                            .label_dir_shown = "labels"};
    ids_.clear();
    return ScanKittiFolder(kitti, threads, [this](KittiFrame frame) { ids_.push_back(frame.id); });
  }
  TemporaryFolder folder_;
  std::vector<std::string> ids_;
};

TEST_F(ScanKittiFolderTest, GivesGoodFramesInOrderAndListsTheRest) {
  const Tensor picture = PlainPicture(8, 6, {1, 2, 3});
  for (const char* frame : {"c", "a", "b", "d"}) {
    WriteKittiFrame(folder_.path(), frame, picture, KittiLine("x", {1, 1, 5, 5}));
  }
  WriteKittiFrame(folder_.path(), "e", picture, "x 1 2\n" + KittiLine("x", {1, 1, 5, 5}));
  folder_.Write("images/f.png", "");
  folder_.Write("labels/f.txt", "");
  folder_.Write("images/g.JPG", EncodeJpeg(picture)->substr(0, 300));
  folder_.Write("labels/g.txt", "");
  folder_.Write("images/h.jpeg", EncodeJpeg(picture).value());
  folder_.Write("images/i.bmp", "BM");
  folder_.Write("images/notes.txt", "not a picture");

  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(ids_, ElementsAre("images/a", "images/b", "images/c", "images/d", "images/e"));
  EXPECT_EQ(ledger->images, 9);
  EXPECT_EQ(ledger->lines, 6);
  ASSERT_THAT(ledger->entries, SizeIs(5));
  const auto& entries = ledger->entries;
  EXPECT_EQ(entries[0].place, "labels/e.txt:1");
  EXPECT_EQ(entries[0].reason, Refusal::kWrongColumnCount);
  EXPECT_EQ(entries[1].place, "images/f.png");
  EXPECT_THAT(entries[1].text, HasSubstr("empty (0 bytes)"));
  EXPECT_EQ(entries[2].reason, Refusal::kUnreadableImage);
  EXPECT_THAT(entries[2].text, HasSubstr("JPEG cannot be decoded"));
  EXPECT_EQ(entries[3].reason, Refusal::kMissingLabel);
  EXPECT_THAT(entries[3].text, HasSubstr("'labels/h.txt' is missing"));
  EXPECT_EQ(entries[4].reason, Refusal::kUnsupportedFormat);
}

TEST_F(ScanKittiFolderTest, SeesTheSameOnSeveralThreads) {
  for (int i = 0; i < 150; ++i) {
    WriteKittiFrame(folder_.path(), std::to_string(1000 + i), PlainPicture(4, 4, {}),
                    i % 7 == 0 ? "bad\n" : KittiLine("x", {0, 0, 3, 3}));
  }
  const auto one = Scan(1);
  const std::vector<std::string> ids = ids_;
  const auto four = Scan(4);
  ASSERT_TRUE(one.ok() && four.ok());
  EXPECT_EQ(ids_, ids);
  EXPECT_THAT(ids, SizeIs(150));
  EXPECT_EQ(one->ToJsonLines(), four->ToJsonLines());
}

TEST_F(ScanKittiFolderTest, NamesTheExtensionsThatAreThere) {
  WriteKittiFrame(folder_.path(), "a", PlainPicture(4, 4, {}), "");
  EXPECT_THAT(Scan(1, ".jpg"), StatusIs(absl::StatusCode::kNotFound,
                                        AllOf(HasSubstr("ends in '.jpg'"), HasSubstr("1 '.png'"))));
}

TEST_F(ScanKittiFolderTest, NamesAMissingFolder) {
  EXPECT_THAT(Scan(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no label folder")));
  folder_.Folder("labels");
  EXPECT_THAT(Scan(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("no image folder")));
}

TEST_F(ScanKittiFolderTest, HiddenFilesAreNoData) {
  WriteKittiFrame(folder_.path(), "a", PlainPicture(8, 6, {}), KittiLine("x", {1, 1, 5, 5}));
  folder_.Write("images/._a.png", std::string("\0\x05\x16\x07", 4));
  folder_.Write("labels/._a.txt", std::string("\0\x05\x16\x07", 4));
  folder_.Write("images/Thumbs.db", "");
  folder_.Write("labels/classes.txt", "x");
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(ids_, ElementsAre("images/a"));
  EXPECT_EQ(ledger->images, 1);
  EXPECT_THAT(ledger->entries, SizeIs(0));
  EXPECT_THAT(ledger->findings.Describe(), SizeIs(0));
}

TEST_F(ScanKittiFolderTest, TwoImagesWithOneLabelFileAreBothLeftOut) {
  const Tensor picture = PlainPicture(8, 6, {});
  WriteKittiFrame(folder_.path(), "a", picture, KittiLine("x", {1, 1, 5, 5}));
  WriteKittiFrame(folder_.path(), "b", picture, KittiLine("x", {1, 1, 5, 5}));
  folder_.Write("images/a.jpg", EncodeJpeg(picture).value());
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(ids_, ElementsAre("images/b"));
  ASSERT_THAT(ledger->entries, SizeIs(2));
  for (const LedgerEntry& entry : ledger->entries) {
    EXPECT_EQ(entry.reason, Refusal::kSharedLabel);
    EXPECT_THAT(entry.text, AllOf(HasSubstr("a.jpg, a.png"), HasSubstr("'labels/a.txt'")));
  }
  // Of one ending there is one.
  EXPECT_THAT(Scan(1, ".png")->entries, SizeIs(0));
}

TEST_F(ScanKittiFolderTest, TellsOfLabelsWithoutImageAndOfNamesThatComeNear) {
  const Tensor picture = PlainPicture(8, 6, {});
  WriteKittiFrame(folder_.path(), "a", picture, "");
  WriteKittiFrame(folder_.path(), "b", picture, "");
  WriteKittiFrame(folder_.path(), "c", picture, "");
  for (const char* name : {"a.txt", "b.txt"}) unlink((folder_ / "labels/" + name).c_str());
  folder_.Write("labels/a.png.txt", "");
  folder_.Write("labels/b.xml", "<annotation/>");
  folder_.Write("labels/z.txt", "");
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_THAT(ledger->entries, SizeIs(2));
  EXPECT_THAT(ledger->entries[0].text,
              AllOf(HasSubstr("'labels/a.txt' is missing"), HasSubstr("'a.png.txt': rename it")));
  EXPECT_THAT(ledger->entries[1].text, AllOf(HasSubstr("'b.xml'"), HasSubstr("KITTI's form")));
  EXPECT_THAT(ledger->findings.notes, ElementsAre(AllOf(HasSubstr("2 label files have no image"),
                                                        HasSubstr("labels/z.txt"))));
}

TEST_F(ScanKittiFolderTest, TurnedPicturesHaveTheirUprightSizeAndAreCounted) {
  const Tensor lying = PlainPicture(160, 120, {1, 2, 3});
  WriteKittiFrame(folder_.path(), "a", lying, "");
  folder_.Write("images/a.png", testing::WithChunk(EncodePng(lying).value(), testing::ExifTiff(6)));
  // Inside of the upright picture, 120 x 160, alone.
  folder_.Write("labels/a.txt", KittiLine("x", {10, 125, 100, 150}));
  std::vector<ImageSize> sizes;
  const auto ledger =
      ScanKittiFolder({.image_dir = folder_ / "images", .label_dir = folder_ / "labels"}, 1,
                      [&sizes](KittiFrame frame) { sizes.push_back(frame.size); });
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(sizes, ElementsAre(ImageSize{120, 160}));
  EXPECT_THAT(ledger->entries, SizeIs(0));
  EXPECT_THAT(ledger->findings.Describe(), ElementsAre(HasSubstr("1 picture is stored turned")));
}

TEST_F(ScanKittiFolderTest, BoxesOutsideAreRefusedUnlessTheyAreToBeKept) {
  WriteKittiFrame(folder_.path(), "a", PlainPicture(8, 6, {}), KittiLine("x", {20, 20, 30, 30}));
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ASSERT_THAT(ledger->entries, SizeIs(1));
  EXPECT_EQ(ledger->entries[0].reason, Refusal::kOutsidePicture);
  const auto kept = ScanKittiFolder(
      {.image_dir = folder_ / "images", .label_dir = folder_ / "labels", .keep_outside = true}, 1,
      [](KittiFrame frame) { EXPECT_THAT(frame.labels.objects, SizeIs(1)); });
  EXPECT_THAT(kept->entries, SizeIs(0));
}

TEST_F(ScanKittiFolderTest, ATwinOfAnotherTypeIsCountedAndRefusesNothing) {
  WriteKittiFrame(folder_.path(), "a", PlainPicture(8, 6, {}), "");
  folder_.Write("images/a.heic", "");
  folder_.Write("images/a.cr2", "");
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_EQ(ledger->images, 1);
  EXPECT_THAT(ledger->entries, SizeIs(0));
  EXPECT_THAT(ledger->findings.notes, ElementsAre(HasSubstr("a.heic")));
}

TEST_F(ScanKittiFolderTest, NamesOfAnyBytesAndLengthAreRead) {
  const Tensor picture = PlainPicture(8, 6, {});
  for (const std::string& name : {std::string("stra\xDF"
                                              "e"),
                                  std::string("a b"), std::string("sub\\a"),
                                  std::string("frame.001.v2"), std::string(251, 'x')}) {
    folder_.Write("images/" + name + ".png", EncodePng(picture).value());
    folder_.Write("labels/" + name + ".txt", KittiLine("x", {1, 1, 5, 5}));
  }
  const auto ledger = Scan();
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_THAT(ids_, ElementsAre("images/a b", "images/frame.001.v2",
                                "images/stra\xDF"
                                "e",
                                "images/sub\\a", "images/" + std::string(251, 'x')));
}

TEST_F(ScanKittiFolderTest, SaysThatThePicturesLieInFoldersBelow) {
  folder_.Folder("labels");
  folder_.Write("images/seq/a.png", "");
  EXPECT_THAT(Scan(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("sub-folders (seq/a.png)")));
}

}  // namespace
}  // namespace trainyard::data
