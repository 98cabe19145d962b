#include "libs/data/sample_classification.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Not;
using testing::StatusIs;
using testing::TemporaryFolder;

constexpr SampleClassificationOptions kSmall = {
    .n_train = 12, .n_val = 5, .n_test = 6, .width = 64, .height = 64};

// How many files `<dir>/<class>/` of each class holds.
std::map<std::string, size_t> CountsIn(const std::string& dir) {
  std::map<std::string, size_t> counts;
  const auto names = ListFolder(dir);
  EXPECT_THAT(names, IsOk());
  for (const std::string& name : names.value_or(std::vector<std::string>())) {
    counts[name] = ListFolder(dir + "/" + name)->size();
  }
  return counts;
}

// All files below `dir`, which has three levels.
std::vector<std::string> FilesIn(const std::string& dir) { return Glob(dir + "/*/*/*"); }

bool Same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && memcmp(a.raw(), b.raw(), a.size_bytes()) == 0;
}

TEST(SampleClassificationClassesTest, AreSorted) {
  EXPECT_THAT(SampleClassificationClasses(),
              ElementsAre("bolt", "bracket", "gear", "nut", "washer"));
}

TEST(PaintOnePartTest, IsAFunctionOfSeedIndexAndClass) {
  const Tensor picture = PaintOnePart(1, 5, 2, 96, 64);
  EXPECT_EQ(picture.shape(), (Shape{64, 96, 3}));
  EXPECT_TRUE(Same(picture, PaintOnePart(1, 5, 2, 96, 64)));
  EXPECT_FALSE(Same(picture, PaintOnePart(2, 5, 2, 96, 64)));
  EXPECT_FALSE(Same(picture, PaintOnePart(1, 6, 2, 96, 64)));
  EXPECT_FALSE(Same(picture, PaintOnePart(1, 5, 3, 96, 64)));
}

TEST(PaintOnePartTest, BrightnessTellsNoClass) {
  constexpr int kEach = 80;
  std::vector<double> means;
  for (int class_index = 0; class_index < 5; ++class_index) {
    double sum = 0;
    for (uint64_t i = 0; i < kEach; ++i) {
      const Tensor picture =
          PaintOnePart(3, i * 5 + static_cast<uint64_t>(class_index), class_index, 64, 64);
      double of_picture = 0;
      for (const uint8_t value : picture.data<uint8_t>()) of_picture += value;
      sum += of_picture / static_cast<double>(picture.size_bytes());
    }
    means.push_back(sum / kEach);
  }
  // Single pictures spread over some 28 grey levels: 28 / sqrt(80) is 3 for a mean.
  const auto [least, most] = std::minmax_element(means.begin(), means.end());
  EXPECT_LT(*most - *least, 28);
  EXPECT_GT(*least, 40);
  EXPECT_LT(*most, 215);
}

TEST(GenerateSampleClassificationTest, SharesPicturesAmongTheClasses) {
  const TemporaryFolder folder;
  ASSERT_THAT(GenerateSampleClassification(folder / "set", kSmall), IsOk());
  EXPECT_THAT(*ListFolder(folder / "set"), ElementsAre("test", "train", "val"));
  const std::map<std::string, size_t> train = {
      {"bolt", 3}, {"bracket", 3}, {"gear", 2}, {"nut", 2}, {"washer", 2}};
  EXPECT_EQ(CountsIn(folder / "set/train"), train);
  const std::map<std::string, size_t> val = {
      {"bolt", 1}, {"bracket", 1}, {"gear", 1}, {"nut", 1}, {"washer", 1}};
  EXPECT_EQ(CountsIn(folder / "set/val"), val);
  const std::map<std::string, size_t> test = {
      {"bolt", 2}, {"bracket", 1}, {"gear", 1}, {"nut", 1}, {"washer", 1}};
  EXPECT_EQ(CountsIn(folder / "set/test"), test);
}

TEST(GenerateSampleClassificationTest, EveryPictureDecodesAndNoTwoAreEqual) {
  const TemporaryFolder folder;
  ASSERT_THAT(GenerateSampleClassification(folder / "set", kSmall), IsOk());
  std::set<std::string> pixels;
  const std::vector<std::string> files = FilesIn(folder / "set");
  EXPECT_EQ(files.size(), 23u);
  for (const std::string& file : files) {
    const auto image = DecodeImage(*ReadFile(file), file);
    ASSERT_THAT(image, IsOk());
    EXPECT_EQ(image->shape(), (Shape{64, 64, 3})) << file;
    pixels.emplace(static_cast<const char*>(image->raw()), image->size_bytes());
  }
  EXPECT_EQ(pixels.size(), files.size()) << "train, val and test have no picture in common";
}

TEST(GenerateSampleClassificationTest, DoesNotDependOnThreadsAndDoesOnTheSeed) {
  const TemporaryFolder folder;
  SampleClassificationOptions options = kSmall;
  options.threads = 1;
  ASSERT_THAT(GenerateSampleClassification(folder / "a", options), IsOk());
  options.threads = 4;
  ASSERT_THAT(GenerateSampleClassification(folder / "b", options), IsOk());
  options.seed = 7;
  ASSERT_THAT(GenerateSampleClassification(folder / "c", options), IsOk());
  EXPECT_EQ(*PathDigest(folder / "a"), *PathDigest(folder / "b"));
  EXPECT_NE(*PathDigest(folder / "a"), *PathDigest(folder / "c"));
}

TEST(GenerateSampleClassificationTest, ALargerSetBeginsWithTheSmallerOne) {
  const TemporaryFolder folder;
  SampleClassificationOptions options = kSmall;
  ASSERT_THAT(GenerateSampleClassification(folder / "a", options), IsOk());
  options.n_train = 20;
  ASSERT_THAT(GenerateSampleClassification(folder / "b", options), IsOk());
  const std::string first = "/train/bolt/000000.jpg";
  EXPECT_EQ(*FileDigest(folder / "a" + first), *FileDigest(folder / "b" + first));
  EXPECT_EQ(*PathDigest(folder / "a/val"), *PathDigest(folder / "b/val"));
}

TEST(GenerateSampleClassificationTest, APartOfNoneHasEmptyFolders) {
  const TemporaryFolder folder;
  SampleClassificationOptions options = kSmall;
  options.n_test = 0;
  ASSERT_THAT(GenerateSampleClassification(folder / "set", options), IsOk());
  for (const auto& [name, count] : CountsIn(folder / "set/test")) EXPECT_EQ(count, 0u) << name;
}

TEST(GenerateSampleClassificationTest, DoesNotOverwrite) {
  const TemporaryFolder folder;
  folder.Folder("set/test");
  EXPECT_THAT(
      GenerateSampleClassification(folder / "set", kSmall),
      StatusIs(absl::StatusCode::kAlreadyExists,
               AllOf(HasSubstr("set/test"), HasSubstr("remove it or choose another folder"))));
  EXPECT_THAT(*ListFolder(folder / "set"), ElementsAre("test"));
}

TEST(GenerateSampleClassificationTest, NamesAllBadOptions) {
  const TemporaryFolder folder;
  const absl::Status status = GenerateSampleClassification(
      folder / "x",
      {.n_train = 0, .n_val = 4, .n_test = -1, .width = 10, .height = 9999, .threads = 0});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("n_train is 0; expected 5 to 999999"),
                                     HasSubstr("n_val is 4; expected 0, or 5 to 999999"),
                                     HasSubstr("n_test is -1"), HasSubstr("width is 10"),
                                     HasSubstr("height is 9999"), HasSubstr("threads is 0"))));
  EXPECT_FALSE(FolderExists(folder / "x"));
}

TEST(GenerateSampleClassificationTest, TellsHowFarItIs) {
  const TemporaryFolder folder;
  std::vector<int64_t> seen;
  const auto progress = [&seen](int64_t done, int64_t total) {
    EXPECT_EQ(total, 23);
    seen.push_back(done);
  };
  ASSERT_THAT(GenerateSampleClassification(folder / "set", kSmall, progress), IsOk());
  ASSERT_THAT(seen, Not(IsEmpty()));
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 23);
}

TEST(GenerateSampleClassificationTest, ACancelLeavesNothing) {
  const TemporaryFolder folder;
  std::stop_source stop;
  const auto at_first = [&stop](int64_t, int64_t) { stop.request_stop(); };
  EXPECT_THAT(GenerateSampleClassification(folder / "x", kSmall, at_first, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(*ListFolder(folder / "x"), IsEmpty());
}

}  // namespace
}  // namespace trainyard::data
