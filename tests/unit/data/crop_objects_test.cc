#include "tests/support/crop_objects.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/data/sample_data.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr Rgb kGrey = {90, 90, 90}, kRed = {250, 0, 0};

CropOptions OptionsFor(const TemporaryFolder& folder) {
  return {.image_dir = folder / "set/images",
          .label_dir = folder / "set/labels",
          .out = folder / "crops",
          .min_pixels = 400,
          .min_count = 1};
}

// One picture of 100 x 80, grey, with red boxes.
void WriteFrame(const TemporaryFolder& folder, const std::string& frame,
                const std::vector<std::pair<std::string, data::Box>>& objects) {
  Tensor picture = PlainPicture(100, 80, kGrey);
  std::string lines;
  for (const auto& [type, box] : objects) {
    PaintBox(picture, {box.x1, box.y1, std::min(box.x2, 100.0f), std::min(box.y2, 80.0f)}, kRed);
    absl::StrAppend(&lines, KittiLine(type, box));
  }
  WriteKittiFrame(folder / "set", frame, picture, lines);
}

// The crop of object `index` of a frame, wherever its part is.
Tensor CropOf(const TemporaryFolder& folder, const std::string& frame, const std::string& name,
              int index) {
  const std::vector<std::string> found =
      Glob(absl::StrCat(folder / "crops", "/*/", name, "/", frame, "_", index, ".png"));
  EXPECT_EQ(found.size(), 1u) << frame << " " << index;
  return data::DecodeImage(*ReadFile(found.at(0)), found[0]).value();
}

// First 12 hexadecimal digits of the names' SHA-256, modulo 100, by Python's hashlib.
TEST(CropPartOfTest, IsAFunctionOfTheNameAlone) {
  EXPECT_EQ(CropPartOf("000000"), 0u);
  EXPECT_EQ(CropPartOf("000003"), 1u);
  EXPECT_EQ(CropPartOf("000002"), 2u);
  EXPECT_EQ(CropPartOf("000004"), 1u);
  EXPECT_EQ(CropPartOf("/data/images/000003.jpg"), CropPartOf("000003"));
}

TEST(CropPartOfTest, SharesSeventyFifteenFifteen) {
  std::array<int, 3> counts{};
  for (int i = 0; i < 4000; ++i) ++counts[CropPartOf(absl::StrCat("frame_", i))];
  // Three deviations of 4000 draws are 87 of train and 68 of the others.
  EXPECT_NEAR(counts[0], 2800, 87);
  EXPECT_NEAR(counts[1], 600, 68);
  EXPECT_NEAR(counts[2], 600, 68);
}

TEST(CropObjectsTest, CutsWithATenthOnEachSide) {
  const TemporaryFolder folder;
  WriteFrame(folder, "a", {{"Car", {40, 30, 70, 50}}});
  ASSERT_THAT(CropObjects(OptionsFor(folder)), IsOk());
  // 30 x 20 and a tenth of it on both sides: from (37, 28) to (73, 52).
  const Tensor crop = CropOf(folder, "a", "car", 0);
  EXPECT_EQ(crop.shape(), (Shape{24, 36, 3}));
  EXPECT_EQ(BoxAround(crop, kRed), (data::Box{3, 2, 33, 22}));
  EXPECT_EQ(PixelAt(crop, 2, 10), kGrey);
}

TEST(CropObjectsTest, TheMarginEndsWithThePicture) {
  const TemporaryFolder folder;
  WriteFrame(folder, "a", {{"car", {0, 0, 30, 20}}, {"car", {70, 60, 100, 80}}});
  ASSERT_THAT(CropObjects(OptionsFor(folder)), IsOk());
  EXPECT_EQ(CropOf(folder, "a", "car", 0).shape(), (Shape{22, 33, 3}));
  const Tensor last = CropOf(folder, "a", "car", 1);
  EXPECT_EQ(last.shape(), (Shape{22, 33, 3}));
  EXPECT_EQ(BoxAround(last, kRed), (data::Box{3, 2, 33, 22}));
}

TEST(CropObjectsTest, LeavesOutWhatIsSmallAndCountsOnlyWhatIsInside) {
  const TemporaryFolder folder;
  // 400 pixels are not more than 400; of the third 21 x 20 lie inside, of the last 10 x 20.
  WriteFrame(folder, "a",
             {{"car", {10, 10, 30, 30}},
              {"car", {40, 10, 61, 30}},
              {"car", {79, 50, 110, 70}},
              {"car", {90, 10, 120, 30}}});
  const auto report = CropObjects(OptionsFor(folder));
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->small, 2);
  EXPECT_THAT(report->Describe(), Contains("left out: 2 too small"));
  CropOf(folder, "a", "car", 1);
  EXPECT_EQ(CropOf(folder, "a", "car", 2).dim(1), 25) << "from 79 - 3.1 to the picture's edge";
}

TEST(CropObjectsTest, LeavesOutClassesThatAreFewOrNameNoFolder) {
  const TemporaryFolder folder;
  const data::Box box = {10, 10, 40, 40};
  WriteFrame(folder, "a", {{"car", box}, {"Van", box}, {"../x", box}, {"DontCare", box}});
  WriteFrame(folder, "b", {{"Car", box}, {"../x", box}, {".hidden", box}, {".hidden", box}});
  CropOptions options = OptionsFor(folder);
  options.min_count = 2;
  const auto report = CropObjects(options);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->left_out, ElementsAre(Pair("../x", 2), Pair(".hidden", 2), Pair("van", 1)));
  EXPECT_THAT(report->Describe(),
              AllOf(Contains("left out: 1 of class 'van'"),
                    Contains("left out: 2 of class '../x', which cannot name a folder")));
  for (const char* part : kCropParts) {
    EXPECT_THAT(*ListFolder(folder / "crops" + "/" + part), ElementsAre("car")) << part;
  }
  EXPECT_FALSE(FolderExists(folder / "x"));
}

TEST(CropObjectsTest, CropsOfOnePictureLieInOnePart) {
  const TemporaryFolder folder;
  ASSERT_THAT(data::GenerateSampleData(folder / "made",
                                       {.n_train = 40, .n_val = 1, .width = 160, .height = 120}),
              IsOk());
  CropOptions options = OptionsFor(folder);
  options.image_dir = folder / "made/train/images";
  options.label_dir = folder / "made/train/labels";
  options.min_pixels = 100;
  const auto report = CropObjects(options);
  ASSERT_THAT(report, IsOk());
  std::map<std::string, std::set<std::string>> parts_of;
  int64_t files = 0, counted = 0;
  for (const std::string& file : Glob(folder / "crops/*/*/*.png")) {
    const std::vector<std::string> path = absl::StrSplit(file, '/');
    const std::string frame = path.back().substr(0, path.back().rfind('_'));
    const std::string& part = path[path.size() - 3];
    parts_of[frame].insert(part);
    EXPECT_EQ(part, kCropParts[CropPartOf(frame)]);
    EXPECT_THAT(data::DecodeImage(*ReadFile(file), file), IsOk());
    ++files;
  }
  for (const auto& [frame, parts] : parts_of) EXPECT_EQ(parts.size(), 1u) << frame;
  std::vector<std::string> classes;
  for (const auto& [name, counts] : report->written) {
    classes.push_back(name);
    for (const int64_t count : counts) counted += count;
  }
  EXPECT_EQ(classes, data::SampleClasses());
  EXPECT_EQ(files, counted);
  EXPECT_GT(files, 60) << "two to five parts on each of 40 pictures";
  EXPECT_GT(parts_of.size(), 30u);
}

TEST(CropObjectsTest, DoesNotDependOnThreads) {
  const TemporaryFolder folder;
  for (const char* frame : {"a", "b", "c", "d"}) {
    WriteFrame(folder, frame, {{"car", {10, 10, 40, 40}}, {"van", {50, 10, 80, 50}}});
  }
  CropOptions options = OptionsFor(folder);
  options.threads = 1;
  ASSERT_THAT(CropObjects(options), IsOk());
  const std::string once = *PathDigest(options.out);
  options.out = folder / "again";
  options.threads = 4;
  ASSERT_THAT(CropObjects(options), IsOk());
  EXPECT_EQ(*PathDigest(options.out), once);
}

TEST(CropObjectsTest, SaysWhyNothingIsLeft) {
  const TemporaryFolder folder;
  WriteFrame(folder, "a", {{"car", {10, 10, 40, 40}}});
  CropOptions options = OptionsFor(folder);
  options.min_count = 5;
  EXPECT_THAT(CropObjects(options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("has 5 objects of more than 400 pixels"),
                             HasSubstr("left out: 1 of class 'car'"))));
  EXPECT_FALSE(FolderExists(options.out));
}

TEST(CropObjectsTest, DoesNotOverwriteAndNamesAllBadOptions) {
  const TemporaryFolder folder;
  WriteFrame(folder, "a", {{"car", {10, 10, 40, 40}}});
  CropOptions options = OptionsFor(folder);
  folder.Folder("crops/val");
  EXPECT_THAT(CropObjects(options),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("crops/val' is there")));
  EXPECT_THAT(*ListFolder(folder / "crops/val"), IsEmpty());
  options.min_pixels = -1;
  options.min_count = 0;
  options.margin = -0.5;
  options.threads = 0;
  EXPECT_THAT(CropObjects(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("min_pixels is -1"), HasSubstr("min_count is 0"),
                             HasSubstr("margin is -0.5"), HasSubstr("threads is 0"))));
}

}  // namespace
}  // namespace trainyard::testing
