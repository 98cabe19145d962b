#include "libs/data/kitti_folder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
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

}  // namespace
}  // namespace trainyard
