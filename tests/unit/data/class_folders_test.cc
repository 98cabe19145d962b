#include "libs/data/class_folders.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/data/class_source.h"
#include "libs/data/class_truth.h"
#include "tests/support/data_pictures.h"
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
using ::testing::Not;
using testing::StatusIs;
using testing::TemporaryFolder;

std::string Png(uint8_t grey) {
  return EncodePng(testing::PlainPicture(4, 3, {grey, grey, grey})).value();
}

TEST(ListClassFoldersTest, SubFoldersAreTheClassesInTheOrderOfTheirBytes) {
  const TemporaryFolder root;
  for (const char* name :
       {"b/2.jpg", "b/1.PNG", "b/deep/er/3.jpeg", "Z/1.jpg", "a b/1.jpg", ".git/1.jpg",
        "__MACOSX/1.jpg", "b/._1.jpg", "b/.cache/1.jpg", "b/notes.txt", "classmap.json"}) {
    root.Write(name, "");
  }
  const auto found = ListClassFolders(root.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->Names(), ElementsAre("Z", "a b", "b"));
  EXPECT_THAT(found->classes[2].pictures, ElementsAre("1.PNG", "2.jpg", "deep/er/3.jpeg"));
  EXPECT_THAT(found->notes, IsEmpty());
}

TEST(ListClassFoldersTest, TellsWhatIsNotRead) {
  const TemporaryFolder root;
  for (const char* name : {"a/1.jpg", "b/1.jpg", "b/2.webp", "stray.jpg"}) root.Write(name, "");
  ASSERT_EQ(symlink("..", (root / "b/round").c_str()), 0);
  const auto found = ListClassFolders(root.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->classes[1].pictures, ElementsAre("1.jpg"));
  EXPECT_THAT(found->notes, ElementsAre(AllOf(HasSubstr("1 picture beside the class folders"),
                                              HasSubstr("stray.jpg")),
                                        AllOf(HasSubstr("class folder 'b'"), HasSubstr("2.webp")),
                                        AllOf(HasSubstr("1 link to folders"), HasSubstr("round"))));
}

TEST(ListClassFoldersTest, AClassFolderMayBeALink) {
  const TemporaryFolder root, elsewhere;
  root.Write("a/1.jpg", "");
  elsewhere.Write("cats/1.jpg", "");
  ASSERT_EQ(symlink((elsewhere / "cats").c_str(), (root / "b").c_str()), 0);
  const auto found = ListClassFolders(root.path());
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->Names(), ElementsAre("a", "b"));
  EXPECT_THAT(found->classes[1].pictures, ElementsAre("1.jpg"));
}

TEST(ListClassFoldersTest, NamesARootThatIsNoDataSet) {
  const TemporaryFolder root;
  EXPECT_THAT(ListClassFolders(root / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there is no data set folder")));
  root.Write("1.jpg", "");
  for (const DataUse use : {DataUse::kTraining, DataUse::kValidation}) {
    EXPECT_THAT(ListClassFolders(root.path(), use),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("has no sub-folder"), HasSubstr("1.jpg"))));
  }
}

TEST(ListClassFoldersTest, NamesAllProblemsAtOnce) {
  const TemporaryFolder root;
  root.Folder("empty");
  root.Write("stray.png", "");
  EXPECT_THAT(ListClassFolders(root.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("more than one class is required"), HasSubstr("stray.png"),
                             HasSubstr("class folder 'empty'"), HasSubstr("holds no picture"))));
  root.Write("b\xFF/x.bmp", "");
  EXPECT_THAT(ListClassFolders(root.path()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'b\\xff'"), HasSubstr("is not UTF-8"), HasSubstr("x.bmp"),
                             HasSubstr("class folder 'empty'"), Not(HasSubstr("more than one")))));
}

TEST(ListClassFoldersTest, ValidationNeedsAPictureOnly) {
  const TemporaryFolder root;
  root.Folder("empty");
  EXPECT_THAT(ListClassFolders(root.path(), DataUse::kValidation),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds a picture")));
  root.Write("a/1.jpg", "");
  const auto found = ListClassFolders(root.path(), DataUse::kValidation);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->Names(), ElementsAre("a", "empty"));
}

TEST(OpenClassFoldersTest, SamplesHaveTheNumbersOfTheGivenClasses) {
  const TemporaryFolder root;
  root.Write("b/1.png", Png(10));
  root.Write("a/2.png", Png(20));
  root.Write("a/sub/1.png", Png(30));
  const auto opened = OpenClassFolders(ListClassFolders(root.path()).value(), {"b", "c", "a"}, {});
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(opened->counts, ElementsAre(1, 0, 2));
  ASSERT_EQ(opened->source->size(), 3);
  std::vector<int> ids, greys;
  for (int64_t i = 0; i < 3; ++i) {
    const auto sample = opened->source->Get(i);
    ASSERT_THAT(sample, IsOk());
    EXPECT_EQ(sample->id, opened->source->Id(i));
    ids.push_back(ClassIdOf(sample->truth.get()).value());
    greys.push_back(testing::PixelAt(sample->image, 0, 0)[0]);
  }
  EXPECT_THAT(ids, ElementsAre(2, 2, 0));
  EXPECT_THAT(greys, ElementsAre(20, 30, 10));
  EXPECT_EQ(opened->source->Id(1), root / "a/sub/1.png");
  EXPECT_THAT(OpenClassFolders(ListClassFolders(root.path()).value(), {"a"}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'b'")));
}

TEST(OpenClassFoldersTest, DamagedPicturesAreLeftOutOrAnError) {
  const TemporaryFolder root;
  for (int i = 0; i < 11; ++i) root.Write(absl::StrCat("a/", i, ".png"), Png(10));
  root.Write("b/1.png", Png(20));
  root.Write("b/2.png", Png(20).substr(0, 45));
  const auto folders = ListClassFolders(root.path()).value();
  for (const int threads : {1, 4}) {
    const auto opened = OpenClassFolders(folders, {"a", "b"}, {.threads = threads});
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->source->size(), 12);
    EXPECT_EQ(opened->ledger.images, 13);
    ASSERT_EQ(opened->ledger.RefusedImages(), 1);
    EXPECT_EQ(opened->ledger.entries[0].place, root / "b/2.png");
    EXPECT_EQ(opened->ledger.entries[0].image, "b/2.png");
  }
  EXPECT_THAT(OpenClassFolders(folders, {"a", "b"}, {.strict = true}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("images 1 of 13 are refused; with strict none may be"),
                             HasSubstr("b/2.png"), Not(HasSubstr("label")))));
}

TEST(OpenClassFoldersTest, MoreThanATenthOfDamagedPicturesIsAnError) {
  const TemporaryFolder root;
  root.Write("a/1.png", Png(10));
  root.Write("b/1.png", "");
  EXPECT_THAT(
      OpenClassFolders(ListClassFolders(root.path()).value(), {"a", "b"}, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 of 2 are refused; at most 10 %")));
}

TEST(ClassIdOfTest, IsNothingForAnotherTasksTruth) {
  EXPECT_EQ(ClassIdOf(nullptr), std::nullopt);
  EXPECT_EQ(ClassIdOf(TruthOf(std::vector<LabelledBox>()).get()), std::nullopt);
  EXPECT_EQ(ClassIdOf(ClassTruthOf(3).get()), 3);
}

}  // namespace
}  // namespace trainyard::data
