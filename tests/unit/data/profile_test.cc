#include "libs/data/profile.h"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/data/data_layout.h"
#include "libs/data/kitti.h"
#include "libs/data/sample_data.h"
#include "libs/data/sources.h"
#include "tests/support/data_pictures.h"
#include "tests/support/labelled_sets.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::KittiLine;
using testing::StatusIs;
using testing::TemporaryFolder;
using testing::WriteKittiFrame;
using worker::v1::DataProfile;

class ProfileTest : public ::testing::Test {
 protected:
  // `n` scenes of 64 x 48 pixels with a car of 16 x 24 each, and a sign of 8 x 8 in every fourth.
  void WriteSet(const std::string& name, int n, uint64_t seed = 1) {
    for (int i = 0; i < n; ++i) {
      std::string labels = KittiLine("Car", {4, 4, 20, 28});
      if (i % 4 == 0) labels += KittiLine("sign", {40, 8, 48, 16}, 1);
      if (i == 0) labels += KittiLine("DontCare", {1, 1, 9, 9});
      WriteKittiFrame(folder_ / name, absl::StrCat("f", i),
                      PaintScene(seed, static_cast<uint64_t>(i), 64, 48).image, labels);
    }
  }
  absl::StatusOr<DataProfile> Profile(const std::string& name, int64_t most_compared = 1000) {
    return ProfileData({.data = folder_ / name,
                       .output = folder_ / "out",
                       .validation_share = 0.25,
                       .most_compared = most_compared,
                       .probe_pictures = 4});
  }
  std::set<std::string> NamesIn(const std::string& part) {
    const auto names = ListFolder(folder_ / ("out/" + part));
    return names.ok() ? std::set<std::string>(names->begin(), names->end()) : std::set<std::string>();
  }
  TemporaryFolder folder_;
};

TEST_F(ProfileTest, SaysWhatASetIsLike) {
  WriteSet("set", 20);
  const auto profile = Profile("set");
  ASSERT_THAT(profile, IsOk());
  EXPECT_EQ(profile->format(), "kitti");
  EXPECT_EQ(profile->picture_width(), 64);
  EXPECT_EQ(profile->picture_height(), 48);
  EXPECT_FALSE(profile->is_grey());
  EXPECT_EQ(profile->training().pictures(), 15);
  EXPECT_EQ(profile->validation().pictures(), 5);
  EXPECT_EQ(profile->probe().pictures(), 4);
  EXPECT_FALSE(profile->has_test());
  ASSERT_EQ(profile->classes_size(), 2);
  EXPECT_EQ(profile->classes(0).name(), "car");
  EXPECT_EQ(profile->classes(0).objects(), 20);
  EXPECT_EQ(profile->classes(0).validation_objects(), 5);
  EXPECT_EQ(profile->classes(1).name(), "sign");
  EXPECT_EQ(profile->classes(1).objects(), 5);
  EXPECT_EQ(profile->classes(1).validation_objects(), 1);
  ASSERT_EQ(profile->object_widths_size(), profile->training().objects());
  EXPECT_FLOAT_EQ(profile->object_widths(0), profile->object_classes(0) == 0 ? 0.25f : 0.125f);
  EXPECT_FLOAT_EQ(profile->object_heights(0), profile->object_classes(0) == 0 ? 0.5f : 8.f / 48);
}

TEST_F(ProfileTest, LaysOutFoldersThatATrainingReads) {
  WriteSet("set", 20);
  const auto profile = Profile("set");
  ASSERT_THAT(profile, IsOk());
  const auto opened = OpenSources({{.image_dir = profile->training().images(),
                                    .label_dir = profile->training().labels()}},
                                  {.class_mapping = {{"car", "car"}, {"sign", "sign"}}});
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->source->size(), 15);
  EXPECT_EQ(opened->class_counts.at("car"), 15);
  EXPECT_EQ(opened->class_counts.at("sign"), 4);
  // Each picture is in one of the two, and lies where it lay.
  std::set<std::string> all = NamesIn("training/images");
  for (const std::string& name : NamesIn("validation/images")) EXPECT_TRUE(all.insert(name).second);
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(std::filesystem::canonical(folder_ / "out/probe/images/f0.png").parent_path().string(),
            folder_ / "set/images");
}

// Stores of large files keep them by their digests, and a set of links to them.
TEST_F(ProfileTest, LinksKeepTheEndingsThatTheSetNames) {
  WriteSet("set", 8);
  std::filesystem::create_directory(folder_ / "store");
  for (int i = 0; i < 8; ++i) {
    const std::string picture = folder_ / absl::StrCat("set/images/f", i, ".png");
    const std::string stored = folder_ / absl::StrCat("store/", i);
    std::filesystem::rename(picture, stored);
    std::filesystem::create_symlink(stored, picture);
  }
  ASSERT_THAT(Profile("set"), IsOk());
  std::set<std::string> all = NamesIn("training/images");
  all.merge(NamesIn("validation/images"));
  EXPECT_EQ(all.size(), 8u);
  EXPECT_THAT(all, Contains("f3.png"));
}

TEST_F(ProfileTest, PartsThatTheSetHasStayWhatTheyAre) {
  WriteSet("set/train", 8);
  WriteSet("set/val", 3, 2);
  WriteSet("set/test", 2, 3);
  const auto profile = Profile("set");
  ASSERT_THAT(profile, IsOk());
  EXPECT_EQ(profile->training().pictures(), 8);
  EXPECT_EQ(profile->validation().pictures(), 3);
  EXPECT_EQ(profile->test().pictures(), 2);
  EXPECT_EQ(profile->test().labels(), folder_ / "out/test/labels");
}

// Kills: a part that counts by its folder; the evaluations of the pipeline had nothing to judge on.
TEST_F(ProfileTest, AValidationPartWithoutUsablePicturesIsRefused) {
  WriteSet("set/train", 8);
  folder_.Write("set/val/images/a.png", "no picture");
  folder_.Write("set/val/labels/a.txt", KittiLine("Car", {4, 4, 20, 28}));
  EXPECT_THAT(Profile("set"), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("val/images/a.png: val/images/a")));
}

// 3 pictures with 10 cars, behind one without: every sixth of 30. Kills: every sixth picture.
TEST_F(ProfileTest, OfManyObjectsSomeAreToldFromAllPictures) {
  WriteSet("set/val", 3, 2);
  for (int i = 0; i < 4; ++i) {
    std::string labels;
    for (int k = 0; k < 10 && i > 0; ++k) labels += KittiLine("Car", {4, 4, 20.0f + k, 28});
    WriteKittiFrame(folder_ / "set/train", absl::StrCat("f", i),
                    PaintScene(1, static_cast<uint64_t>(i), 64, 48).image, labels);
  }
  const auto profile = ProfileData({.data = folder_ / "set",
                                    .output = folder_ / "out",
                                    .validation_share = 0.25,
                                    .probe_pictures = 4,
                                    .most_objects = 5});
  ASSERT_THAT(profile, IsOk());
  EXPECT_EQ(profile->training().objects(), 30);
  EXPECT_EQ(profile->object_widths_size(), 5);
}

TEST_F(ProfileTest, NearDuplicatesGoToOnePart) {
  WriteSet("set", 12);
  // A second compression of each scene, under another name.
  for (int i = 0; i < 12; ++i) {
    const Tensor scene = PaintScene(1, static_cast<uint64_t>(i), 64, 48).image;
    folder_.Write(absl::StrCat("set/images/again", i, ".jpg"), EncodeJpeg(scene).value());
    folder_.Write(absl::StrCat("set/labels/again", i, ".txt"), KittiLine("Car", {4, 4, 20, 28}));
  }
  const auto profile = Profile("set");
  ASSERT_THAT(profile, IsOk());
  EXPECT_GE(profile->near_duplicates(), 10);
  const std::set<std::string> validation = NamesIn("validation/images");
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(validation.count(absl::StrCat("f", i, ".png")),
              validation.count(absl::StrCat("again", i, ".jpg")))
        << i;
  }
}

TEST_F(ProfileTest, ALargeSetIsNotComparedAndSaysSo) {
  WriteSet("set", 8);
  const auto profile = Profile("set", /*most_compared=*/7);
  ASSERT_THAT(profile, IsOk());
  EXPECT_EQ(profile->near_duplicates(), 0);
  EXPECT_THAT(profile->notes(), Contains(HasSubstr("8 training pictures are too many")));
}

TEST_F(ProfileTest, ReplacesItsOwnLayoutAndNothingElse) {
  WriteSet("set", 8);
  ASSERT_THAT(Profile("set"), IsOk());
  WriteSet("other", 6);
  const auto again = Profile("other");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(NamesIn("training/images").size() + NamesIn("validation/images").size(), 6u);
  std::filesystem::remove_all(folder_ / "out");
  folder_.Write("out/thesis.txt", "");
  EXPECT_THAT(Profile("set"), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("something else")));
}

TEST_F(ProfileTest, SaysWhatIsMissing) {
  folder_.Write("set/pictures/a.txt", "");
  EXPECT_THAT(Profile("set"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no data set of a format that is known")));
  EXPECT_THAT(Profile("nowhere"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("nowhere")));
  WriteKittiFrame(folder_ / "one", "a", testing::PlainPicture(8, 8, {1, 2, 3}),
                  KittiLine("DontCare", {1, 1, 5, 5}));
  EXPECT_THAT(Profile("one"), StatusIs(absl::StatusCode::kInvalidArgument,
                                      AllOf(HasSubstr("have 1 pictures to train on"),
                                            HasSubstr("the labels have no object"))));
}

// "BloodImage_00003.txt: RBC 1 2 3 4" of all label files of a part.
std::set<std::string> BoxesIn(const std::string& labels) {
  std::set<std::string> boxes;
  const std::vector<std::string> names = ListFolder(labels).value();
  for (const std::string& name : names) {
    const KittiLabels read = ParseKittiLabels(ReadFile(JoinPath(labels, name)).value(), name, name);
    EXPECT_TRUE(read.refused.empty()) << name;
    for (const KittiObject& o : read.objects) {
      boxes.insert(absl::StrCat(name, ": ", o.type, " ", o.box.x1, " ", o.box.y1, " ", o.box.x2, " ",
                                o.box.y2));
    }
  }
  return boxes;
}

TEST_F(ProfileTest, TheSameSetHasTheSameProfileInEveryFormat) {
  const std::vector<testing::LabelledPicture> cells = testing::BloodCells(70);
  std::map<std::string, int> objects;
  std::set<std::string> boxes;
  for (const testing::LabelledPicture& picture : cells) {
    for (const auto& o : picture.objects) {
      ++objects[absl::AsciiStrToLower(o.type)];
      boxes.insert(absl::StrCat(picture.stem, ".txt: ", o.type, " ", o.x1, " ", o.y1, " ", o.x2, " ",
                                o.y2));
    }
  }
  testing::WriteKittiSet(folder_, "kitti", cells);
  testing::WriteCocoSet(folder_, "coco", cells);
  testing::WriteVocSet(folder_, "voc", cells);
  testing::WriteYoloSet(folder_, "yolo", cells);
  std::string expected;
  for (const char* format : {"kitti", "coco", "voc", "yolo"}) {
    auto profile = Profile(format);
    ASSERT_THAT(profile, IsOk()) << format;
    EXPECT_EQ(profile->format(), format);
    std::map<std::string, int> counted;
    for (const auto& one : profile->classes()) {
      counted[one.name()] = static_cast<int>(one.objects());
    }
    EXPECT_EQ(counted, objects) << format;
    std::set<std::string> laid = BoxesIn(profile->training().labels());
    laid.merge(BoxesIn(profile->validation().labels()));
    EXPECT_EQ(laid, boxes) << format;
    for (const std::string& name : NamesIn("training/images")) {
      EXPECT_TRUE(std::filesystem::canonical(folder_ / ("out/training/images/" + name))
                      .string()
                      .starts_with(folder_ / format))
          << name;
    }
    profile->clear_format();
    if (expected.empty()) expected = profile->DebugString();
    EXPECT_EQ(profile->DebugString(), expected) << format;
  }
}

TEST_F(ProfileTest, ItsOwnLayoutInTheSetIsNoPartOfIt) {
  WriteSet("set", 8);
  const ProfileOptions options{.data = folder_ / "set", .output = folder_ / "set/fit/data"};
  ASSERT_THAT(ProfileData(options), IsOk());
  const auto again = ProfileData(options);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->training().pictures() + again->validation().pictures(), 8);
  EXPECT_EQ(again->notes_size(), 1) << again->DebugString();  // too many to be compared
  // Named itself, it is a set.
  const auto layout = RecogniseData(folder_ / "set/fit/data");
  ASSERT_THAT(layout, IsOk());
  EXPECT_NE(layout->validation, nullptr);
}

TEST_F(ProfileTest, GreyPicturesAreKnown) {
  for (int i = 0; i < 4; ++i) {
    const auto grey = static_cast<uint8_t>(40 * i);
    WriteKittiFrame(folder_ / "set", absl::StrCat(i), testing::PlainPicture(8, 8, {grey, grey, grey}),
                    KittiLine("x", {1, 1, 5, 5}));
  }
  const auto profile = Profile("set");
  ASSERT_THAT(profile, IsOk());
  EXPECT_TRUE(profile->is_grey());
}

class RecogniseDataTest : public ::testing::Test {
 protected:
  // "2 1 -": how many pictures each part has.
  std::string PartsOf(const DataLayout& layout) {
    std::vector<std::string> counts;
    for (const FrameScan& scan : {layout.training, layout.validation, layout.test}) {
      int count = 0;
      if (scan != nullptr) {
        EXPECT_THAT(scan(1, [&](const KittiFrame&) { ++count; }, nullptr).status(), IsOk());
      }
      counts.push_back(scan == nullptr ? "-" : absl::StrCat(count));
    }
    return absl::StrJoin(counts, " ");
  }
  TemporaryFolder folder_;
};

TEST_F(RecogniseDataTest, KnowsKittisOwnNames) {
  const auto cells = testing::BloodCells(3);
  testing::WriteKittiSet(folder_, "scratch", cells);
  folder_.Folder("set/training");
  std::filesystem::rename(folder_ / "scratch/images", folder_ / "set/training/image_2");
  std::filesystem::rename(folder_ / "scratch/labels", folder_ / "set/training/label_2");
  testing::WritePicture(folder_, "set/testing/image_2", cells[0]);
  const auto layout = RecogniseData(folder_ / "set");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(PartsOf(*layout), "3 - -");
  EXPECT_THAT(layout->notes,
              Contains(HasSubstr("1 picture in 'testing/image_2' belong to no labels")));
}

TEST_F(RecogniseDataTest, TellsPartsByTheirNames) {
  testing::WriteYoloSet(folder_, "yolo/Train", testing::BloodCells(4));
  testing::WriteYoloSet(folder_, "yolo/valid", testing::BloodCells(3));
  testing::WriteYoloSet(folder_, "yolo/test", testing::BloodCells(2));
  auto layout = RecogniseData(folder_ / "yolo");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(PartsOf(*layout), "4 3 2");
  EXPECT_TRUE(layout->notes.empty());

  testing::WriteVocSet(folder_, "years/train2017", testing::BloodCells(4));
  testing::WriteVocSet(folder_, "years/val2017", testing::BloodCells(3));
  layout = RecogniseData(folder_ / "years");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(PartsOf(*layout), "4 3 -");
}

TEST_F(RecogniseDataTest, ASetOfOnePartIsTrainedOn) {
  testing::WriteVocSet(folder_, "set/test", testing::BloodCells(3));
  const auto layout = RecogniseData(folder_ / "set");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(PartsOf(*layout), "3 - -");
}

TEST_F(RecogniseDataTest, OfTwoPartsForOnePurposeTheOtherIsNoted) {
  testing::WriteKittiSet(folder_, "set/train", testing::BloodCells(4));
  testing::WriteKittiSet(folder_, "set/trainval", testing::BloodCells(3));
  const auto layout = RecogniseData(folder_ / "set");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(PartsOf(*layout), "4 - -");
  EXPECT_THAT(layout->notes, ElementsAre("the part 'trainval' of the set is passed over"));
}

TEST_F(RecogniseDataTest, OfTwoFormatsTheLikeliestIsReadAndNoted) {
  testing::WriteKittiSet(folder_, "set", testing::BloodCells(3));
  testing::WriteCocoSet(folder_, "set", testing::BloodCells(3));
  const auto layout = RecogniseData(folder_ / "set");
  ASSERT_THAT(layout, IsOk());
  EXPECT_EQ(layout->format, DataFormat::kKitti);
  EXPECT_THAT(layout->notes, ElementsAre(HasSubstr("as kitti and as coco"), "it is read as kitti"));
}

TEST_F(RecogniseDataTest, RefusesWhatCannotBeTrainedOn) {
  testing::WriteKittiSet(folder_, "set/left", testing::BloodCells(3));
  testing::WriteKittiSet(folder_, "set/right", testing::BloodCells(3));
  EXPECT_THAT(RecogniseData(folder_ / "set"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'left', 'right'"), HasSubstr("is called train"))));
  testing::WritePicture(folder_, "classes/cat", testing::BloodCells(1)[0]);
  testing::WritePicture(folder_, "classes/dog", testing::BloodCells(1)[0]);
  EXPECT_THAT(RecogniseData(folder_ / "classes"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("of format class_folders")));
}

}  // namespace
}  // namespace trainyard::data
