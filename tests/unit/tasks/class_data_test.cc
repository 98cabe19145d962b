#include "libs/tasks/classification/class_data.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/data/image_io.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::tasks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using ::testing::StartsWith;
using testing::StatusIs;
using testing::TemporaryFolder;

std::string Png() { return data::EncodePng(testing::PlainPicture(4, 3, {10, 20, 30})).value(); }

ClassDataOptions OptionsOf(const std::string& root, data::DataUse use = data::DataUse::kTraining) {
  return {.root = root,
          .field = use == data::DataUse::kTraining ? "train_config.train_dataset_path"
                                                   : "train_config.val_dataset_path",
          .classes = {"cat", "dog", "horse"},
          .use = use};
}

TEST(OpenClassDataTest, TellsHowManyPicturesEachClassHas) {
  const TemporaryFolder root;
  for (const char* name : {"cat/1.png", "cat/2.png", "dog/1.png", "horse/1.png", "stray.png"}) {
    root.Write(name, Png());
  }
  const auto opened = OpenClassData(OptionsOf(root.path()));
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->source->size(), 4);
  EXPECT_THAT(opened->notes,
              ElementsAre("training data: 4 pictures in 3 classes (cat 2, dog 1, horse 1)",
                          AllOf(StartsWith("training data: "), HasSubstr("stray.png"))));
  EXPECT_THAT(opened->warnings, IsEmpty());
}

TEST(OpenClassDataTest, TellsWhatIsLeftOut) {
  const TemporaryFolder root;
  for (int i = 0; i < 12; ++i) root.Write(absl::StrCat("cat/", i, ".png"), Png());
  root.Write("dog/1.png", Png());
  root.Write("horse/1.png", Png());
  root.Write("horse/2.png", "no picture");
  ClassDataOptions options = OptionsOf(root.path());
  const auto opened = OpenClassData(options);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->ledger.RefusedImages(), 1);
  EXPECT_THAT(opened->notes, Contains("training data: left out are 1 of 15 pictures"));
  EXPECT_THAT(opened->notes, Contains(AllOf(HasSubstr("left out: "), HasSubstr("horse/2.png"))));
  options.strict = true;
  EXPECT_THAT(OpenClassData(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StartsWith("training data (train_config.train_dataset_path): ")));
}

TEST(OpenClassDataTest, AClassWithoutAPictureThatCanBeDecodedIsNotTrainedOn) {
  const TemporaryFolder root;
  for (int i = 0; i < 12; ++i) root.Write(absl::StrCat("cat/", i, ".png"), Png());
  root.Write("dog/1.png", Png());
  root.Write("horse/1.png", "no picture");
  EXPECT_THAT(OpenClassData(OptionsOf(root.path())),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no picture can be decoded of 1 class folder (horse)"),
                             HasSubstr("horse/1.png"))));
}

TEST(OpenClassDataTest, FoldersMustBeTheModelsClasses) {
  const TemporaryFolder root;
  for (const char* name : {"cat/1.png", "horses/1.png"}) root.Write(name, Png());
  EXPECT_THAT(
      OpenClassData(OptionsOf(root.path())),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("class folder 'horses' is no class of the model; did you mean "
                               "'horse'?"),
                     HasSubstr("class 'dog' of the model has no folder"),
                     HasSubstr("are cat, horses; the model's classes are cat, dog, horse"))));
  EXPECT_THAT(OpenClassData(OptionsOf(root.path(), data::DataUse::kValidation)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("validation data (train_config.val_dataset_path): "),
                             HasSubstr("'horses'"), Not(HasSubstr("has no folder")))));
}

TEST(OpenClassDataTest, ValidationMayLackAClassWhichIsAWarning) {
  const TemporaryFolder root;
  root.Folder("dog");
  root.Write("horse/1.png", Png());
  const auto opened = OpenClassData(OptionsOf(root.path(), data::DataUse::kValidation));
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(opened->warnings,
              ElementsAre(HasSubstr(
                  "validation data: 2 of the model's 3 classes have no picture (cat, dog)")));
  EXPECT_THAT(opened->notes,
              ElementsAre("validation data: 1 picture in 1 class (horse 1)", opened->warnings[0]));
  EXPECT_THAT(OpenClassData(OptionsOf(root / "none", data::DataUse::kValidation)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there is no data set folder")));
}

TEST(WarningsOfSharedPicturesTest, OneFolderForBothIsToldWhateverItsSpelling) {
  const TemporaryFolder root;
  root.Write("cat/1.png", Png());
  ASSERT_EQ(symlink(root.path().c_str(), (root / "link").c_str()), 0);
  for (const std::string& path : {root.path(), root / "cat/..", root / "link"}) {
    EXPECT_THAT(WarningsOfSharedPictures(OptionsOf(root.path()),
                                         OptionsOf(path, data::DataUse::kValidation)),
                ElementsAre(HasSubstr("val_dataset_path names the folder that is trained on")))
        << path;
  }
}

TEST(WarningsOfSharedPicturesTest, CountsFilesAndCopiesInBoth) {
  const TemporaryFolder train, val;
  for (const char* name : {"cat/1.png", "cat/2.png", "cat/3.png", "dog/4.png"})
    train.Write(name, Png());
  val.Write("cat/1.png", Png());        // a copy
  val.Write("cat/2.png", Png() + "x");  // another picture of one name
  val.Write("dog/3.png", Png());        // another class
  ASSERT_EQ(symlink((train / "dog/4.png").c_str(), (val / "dog/other.png").c_str()), 0);
  const auto warnings = WarningsOfSharedPictures(OptionsOf(train.path()),
                                                 OptionsOf(val.path(), data::DataUse::kValidation));
  EXPECT_THAT(
      warnings,
      ElementsAre(AllOf(StartsWith("1 of the 4 pictures of train_config.val_dataset_path"),
                        HasSubstr("dog/other.png"), HasSubstr("are files of train_config.train")),
                  AllOf(StartsWith("1 of the 4 pictures"), HasSubstr("cat/1.png"),
                        HasSubstr("class, name and size"))));
  EXPECT_THAT(WarningsOfSharedPictures(OptionsOf(train.path()),
                                       OptionsOf(val / "none", data::DataUse::kValidation)),
              IsEmpty());
}

}  // namespace
}  // namespace trainyard::tasks
