#include "libs/data/picture_folder.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Pair;
using testing::StatusIs;
using testing::TemporaryFolder;

TEST(IsHiddenNameTest, KnowsWhatSystemsLeave) {
  for (const char* name : {"._photo.jpg", ".DS_Store", ".hidden.png", "Thumbs.db", "thumbs.DB",
                           "desktop.ini", "__MACOSX", "@eaDir", ".tmp-1-2-a.jpg"}) {
    EXPECT_TRUE(IsHiddenName(name)) << name;
  }
  for (const char* name : {"_photo.jpg", "a._b.jpg", "thumbs.jpg", "desktop.png"}) {
    EXPECT_FALSE(IsHiddenName(name)) << name;
  }
}

TEST(ListPicturesTest, TakesPicturesInAnyCaseAndPassesOverWhatIsHidden) {
  const TemporaryFolder folder;
  for (const char* name : {"b.JPG", "a.png", "c.Jpeg", "._a.png", "Thumbs.db", ".DS_Store",
                           "__MACOSX/a.png", ".ipynb_checkpoints/a.jpg", "notes.md", "x.md"}) {
    folder.Write(name, "");
  }
  const auto found = ListPictures(folder.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->pictures, ElementsAre("a.png", "b.JPG", "c.Jpeg"));
  EXPECT_THAT(found->others, ElementsAre(Pair(".md", 2)));
  EXPECT_THAT(found->Notes(true), IsEmpty());
}

TEST(ListPicturesTest, AnExtensionIsMatchedInAnyCaseAndTheRestIsCounted) {
  const TemporaryFolder folder;
  for (const char* name : {"1.jpg", "2.JPG", "3.jpeg", "4.png", "5.webp"}) folder.Write(name, "");
  const auto found = ListPictures(folder.path(), ".jpg");
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->pictures, ElementsAre("1.jpg", "2.JPG"));
  EXPECT_THAT(
      found->Notes(true),
      ElementsAre(AllOf(HasSubstr("2 pictures of another ending"), HasSubstr("3.jpeg, 4.png")),
                  AllOf(HasSubstr("1 picture of types"), HasSubstr("5.webp"))));
  EXPECT_THAT(found->Notes(false), ElementsAre(HasSubstr("another ending")));
}

TEST(ListPicturesTest, CountsPicturesInFoldersBelow) {
  const TemporaryFolder folder;
  for (const char* name :
       {"a.jpg", "seq/2/b.jpg", "seq/1/c.png", "old.jpg/d.jpg", "seq/.e.jpg", "seq/notes.txt"}) {
    folder.Write(name, "");
  }
  ASSERT_EQ(symlink("..", (folder / "seq/round").c_str()), 0);
  const auto found = ListPictures(folder.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->pictures, ElementsAre("a.jpg"));
  EXPECT_EQ(found->below, 3);
  EXPECT_EQ(found->below_example, "old.jpg/d.jpg");
  EXPECT_THAT(found->Notes(false), ElementsAre(AllOf(HasSubstr("3 pictures in sub-folders"),
                                                     HasSubstr("old.jpg/d.jpg"))));
}

TEST(ListPicturesTest, KeepsTheBytesOfNamesAndShowsThemEscaped) {
  const TemporaryFolder folder;
  folder.Write(
      "stra\xDF"
      "e.jpg",
      "");
  folder.Write("m\xFCll.bmp", "");
  const auto found = ListPictures(folder.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->pictures, ElementsAre("stra\xDF"
                                           "e.jpg"));
  EXPECT_THAT(found->Notes(true), ElementsAre(HasSubstr("m\\xfcll.bmp")));
}

TEST(ListPicturesTest, NamesAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  EXPECT_THAT(ListPictures(folder / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(ListPictures(folder.Write("file", "")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ListPicturesBelowTest, TakesPicturesAtAnyDepthAndFollowsNoLinkToAFolder) {
  const TemporaryFolder folder;
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "d/";
  for (const std::string& name : {std::string("a.jpg"), std::string("b/a.PNG"), std::string("b.jpg"),
                                  std::string("b/.x/a.jpg"), std::string("b/c.gif"),
                                  std::string("old.jpg/d.jpeg"), deep + "z.jpg"}) {
    folder.Write(name, "");
  }
  ASSERT_EQ(symlink("..", (folder / "b/round").c_str()), 0);
  ASSERT_EQ(symlink("../a.jpg", (folder / "b/link.jpg").c_str()), 0);
  const auto found = ListPicturesBelow(folder.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->pictures, ElementsAre("a.jpg", "b.jpg", "b/a.PNG", "b/link.jpg", deep + "z.jpg",
                                           "old.jpg/d.jpeg"));
  EXPECT_THAT(found->links, ElementsAre("b/round"));
  EXPECT_THAT(found->Notes(), ElementsAre(HasSubstr("b/c.gif"), HasSubstr("1 link to folders (b/round)")));
  EXPECT_THAT(ListPicturesBelow(folder / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

TEST(ListImagesBelowTest, GivesWholePathsOrOneImage) {
  const TemporaryFolder folder;
  folder.Write("b/1.jpg", "");
  folder.Write("a.png", "");
  folder.Write("a.txt", "");
  EXPECT_THAT(ListImagesBelow(folder.path()),
              IsOkAndHolds(ElementsAre(folder / "a.png", folder / "b/1.jpg")));
  EXPECT_THAT(ListImagesBelow(folder / "a.png"), IsOkAndHolds(ElementsAre(folder / "a.png")));
  EXPECT_THAT(ListImagesBelow(folder / "a.txt"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ListImagesBelow(folder.Folder("empty")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("holds no images")));
}

}  // namespace
}  // namespace trainyard::data
