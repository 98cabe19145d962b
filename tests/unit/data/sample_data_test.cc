#include "libs/data/sample_data.h"

#include <cstring>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/data/sources.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TemporaryFolder;

TEST(PaintSceneTest, IsAFunctionOfSeedAndIndex) {
  const PaintedScene a = PaintScene(1, 5, 160, 120), b = PaintScene(1, 5, 160, 120);
  const PaintedScene c = PaintScene(1, 6, 160, 120), d = PaintScene(2, 5, 160, 120);
  const auto same = [&a](const PaintedScene& other) {
    return memcmp(a.image.raw(), other.image.raw(), a.image.size_bytes()) == 0;
  };
  EXPECT_TRUE(same(b));
  EXPECT_FALSE(same(c));
  EXPECT_FALSE(same(d));
  ASSERT_EQ(a.objects.size(), b.objects.size());
  EXPECT_EQ(a.objects[0].box, b.objects[0].box);
}

TEST(PaintSceneTest, ObjectsLieInThePictureAtUsefulSizes) {
  std::set<std::string> classes;
  int occluded = 0, objects = 0;
  for (uint64_t i = 0; i < 60; ++i) {
    const PaintedScene scene = PaintScene(3, i, 320, 240);
    EXPECT_GE(scene.objects.size(), 1u);
    EXPECT_LE(scene.objects.size(), 5u);
    for (const KittiObject& o : scene.objects) {
      classes.insert(o.type);
      ++objects;
      occluded += o.difficult();
      EXPECT_GE(o.box.x1, 0);
      EXPECT_GE(o.box.y1, 0);
      EXPECT_LE(o.box.x2, 320);
      EXPECT_LE(o.box.y2, 240);
      EXPECT_GE(std::max(o.box.width(), o.box.height()), 0.12f * 240);
      EXPECT_LE(std::max(o.box.width(), o.box.height()), 0.55f * 240);
      EXPECT_LE(o.truncated, 0.25);
    }
  }
  EXPECT_THAT(classes, ElementsAre("bolt", "nut", "washer"));
  EXPECT_GT(objects, 120);
  EXPECT_LT(occluded, objects / 4);
}

TEST(GenerateSampleDataTest, WritesASetThatTrainingCanRead) {
  const TemporaryFolder folder;
  ASSERT_THAT(GenerateSampleData(folder / "data", {.n_train = 6, .n_val = 3}), IsOk());
  EXPECT_THAT(*ListFolder(folder / "data"), ElementsAre("train", "val"));
  for (const auto& [part, count] : {std::pair{"train", 6}, std::pair{"val", 3}}) {
    const std::string root = folder / ("data/" + std::string(part));
    const auto opened =
        OpenSources({{.image_dir = root + "/images", .label_dir = root + "/labels"}}, {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->source->size(), count);
    EXPECT_TRUE(opened->ledger.entries.empty());
    EXPECT_EQ(opened->source->Get(0)->image.shape(), (Shape{240, 320, 3}));
  }
}

TEST(GenerateSampleDataTest, DoesNotDependOnThreadsAndDoesOnTheSeed) {
  const TemporaryFolder folder;
  SampleDataOptions options{.n_train = 5, .n_val = 2, .width = 96, .height = 64, .threads = 1};
  ASSERT_THAT(GenerateSampleData(folder / "a", options), IsOk());
  options.threads = 4;
  ASSERT_THAT(GenerateSampleData(folder / "b", options), IsOk());
  options.seed = 7;
  ASSERT_THAT(GenerateSampleData(folder / "c", options), IsOk());
  EXPECT_EQ(*PathDigest(folder / "a"), *PathDigest(folder / "b"));
  EXPECT_NE(*PathDigest(folder / "a"), *PathDigest(folder / "c"));
}

TEST(GenerateSampleDataTest, TrainAndValHaveNoPictureInCommon) {
  const TemporaryFolder folder;
  ASSERT_THAT(
      GenerateSampleData(folder / "a", {.n_train = 5, .n_val = 5, .width = 64, .height = 64}),
      IsOk());
  std::set<std::string> digests;
  for (const char* part : {"train", "val"}) {
    for (int i = 0; i < 5; ++i) {
      digests.insert(*FileDigest(
          folder / (std::string("a/") + part + "/images/00000" + std::to_string(i) + ".jpg")));
    }
  }
  EXPECT_EQ(digests.size(), 10u);
}

TEST(GenerateSampleDataTest, DoesNotOverwrite) {
  const TemporaryFolder folder;
  folder.Folder("data/val");
  EXPECT_THAT(GenerateSampleData(folder / "data", {.n_train = 1, .n_val = 1}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("data/val")));
}

TEST(GenerateSampleDataTest, NamesAllBadOptions) {
  const TemporaryFolder folder;
  EXPECT_THAT(
      GenerateSampleData(folder / "x",
                         {.n_train = 0, .n_val = 0, .width = 10, .height = 9999, .threads = 0}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("n_train"), HasSubstr("width is 10"), HasSubstr("height is 9999"),
                     HasSubstr("threads is 0"))));
}

TEST(GenerateSampleDataTest, ACancelLeavesNothing) {
  const TemporaryFolder folder;
  std::stop_source stop;
  const auto at_first = [&stop](int64_t, int64_t) { stop.request_stop(); };
  EXPECT_THAT(
      GenerateSampleData(folder / "x", {.n_train = 20, .n_val = 1, .width = 64, .height = 64},
                         at_first, stop.get_token()),
      StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(FolderExists(folder / "x/train"));
}

}  // namespace
}  // namespace trainyard::data
