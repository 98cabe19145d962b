#include "libs/data/tfrecord/manifest.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using ::testing::UnorderedElementsAre;

TEST(ManifestTest, IsReadAsItWasWritten) {
  const Manifest written = {
      .classes = {"bolt", "n\"ut"},
      .unmapped = {{"dontcare", 7}},
      .refused_images = 1,
      .refused_lines = 2,
      .folds = {{.number = 1, .use = "training", .images = 30, .objects = {{"bolt", 12}}}},
      .shards = {{.file = "a-fold-001",
                  .fold = 1,
                  .records = 30,
                  .size_bytes = 12345678901,
                  .sha256 = "ab"}},
      .options = {{"random_seed", "42"}}};
  const TemporaryFolder folder;
  const auto read = ReadManifest(folder.Write("a_manifest.json", ManifestToJson(written)));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_THAT(read->classes, ElementsAre("bolt", "n\"ut"));
  EXPECT_THAT(read->unmapped, UnorderedElementsAre(Pair("dontcare", 7)));
  EXPECT_EQ(read->refused_images, 1);
  EXPECT_EQ(read->refused_lines, 2);
  ASSERT_THAT(read->folds, SizeIs(1));
  EXPECT_EQ(read->folds[0].use, "training");
  EXPECT_EQ(read->folds[0].objects.at("bolt"), 12);
  ASSERT_THAT(read->shards, SizeIs(1));
  EXPECT_EQ(read->shards[0].size_bytes, 12345678901);
  EXPECT_EQ(read->options.at("random_seed"), "42");
  EXPECT_EQ(ManifestToJson(*read), ManifestToJson(written));
}

TEST(ManifestTest, SaysWhatIsWrongWithTheFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(ReadManifest(folder / "none"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadManifest(folder.Write("cut", "{\"version\": 1, ")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no JSON object")));
  EXPECT_THAT(ReadManifest(folder.Write("new", "{\"version\": 9}")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 9; expected 1")));
}

}  // namespace
}  // namespace trainyard::data
