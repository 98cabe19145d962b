#include "libs/data/tfrecord/shards.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;
using testing::TemporaryFolder;

class FindShardsTest : public ::testing::Test {
 protected:
  FindShardsTest() {
    for (const char* name :
         {"a-fold-000-of-002-shard-00000-of-00001", "a-fold-001-of-002-shard-00000-of-00002",
          "a-fold-001-of-002-shard-00001-of-00002", "idx-a-fold-000-of-002-shard-00000-of-00001",
          "idx-a-fold-001-of-002-shard-00000-of-00002", "a_warning.json", "a_manifest.json",
          "a_ledger.jsonl", ".tmp-a"}) {
      folder_.Write(name, "");
    }
  }
  std::string P(const std::string& name) const { return folder_ / name; }
  // Before the names, which need it.
  TemporaryFolder folder_;
  const std::string fold0_ = P("a-fold-000-of-002-shard-00000-of-00001");
  const std::string fold1a_ = P("a-fold-001-of-002-shard-00000-of-00002");
  const std::string fold1b_ = P("a-fold-001-of-002-shard-00001-of-00002");
};

TEST_F(FindShardsTest, ATrainingPrefixMayNotReachTheValidationFold) {
  for (const std::string& path : {P("a"), P("*"), folder_.path(), P("a-fold*")}) {
    EXPECT_THAT(FindShards(path, DataUse::kTraining, -1),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("matches fold 000 of"), HasSubstr("a-fold-001*"))))
        << path;
  }
}

TEST_F(FindShardsTest, TakesAPrefixAFileAndAGlob) {
  EXPECT_THAT(FindShards(P("a-fold-001"), DataUse::kTraining, -1),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
  EXPECT_THAT(FindShards(fold1b_, DataUse::kTraining, -1), IsOkAndHolds(ElementsAre(fold1b_)));
  EXPECT_THAT(FindShards(P("*-fold-001-*shard-0000[0]*"), DataUse::kTraining, -1),
              IsOkAndHolds(ElementsAre(fold1a_)));
}

TEST_F(FindShardsTest, TheValidationFoldIsLeftOutOfTrainingAndTakenForValidation) {
  EXPECT_THAT(FindShards(P("a"), DataUse::kTraining, 0),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
  EXPECT_THAT(FindShards(P("a"), DataUse::kValidation, 0), IsOkAndHolds(ElementsAre(fold0_)));
  EXPECT_THAT(FindShards(P("a"), DataUse::kValidation, 1),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
}

TEST_F(FindShardsTest, ValidationOfAWholeSetMeansItsFirstFold) {
  EXPECT_THAT(FindShards(folder_.path(), DataUse::kValidation, -1),
              IsOkAndHolds(ElementsAre(fold0_)));
  EXPECT_THAT(FindShards(P("a-fold-001*"), DataUse::kValidation, -1),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
}

TEST_F(FindShardsTest, SaysWhatDidNotMatch) {
  EXPECT_THAT(FindShards(P("b"), DataUse::kTraining, -1),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no TFRecord files match")));
  EXPECT_THAT(FindShards(P("a"), DataUse::kValidation, 4),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("none of them for validation with validation_fold 4")));
}

TEST_F(FindShardsTest, TakesFilesOfOtherNamesToo) {
  const std::string other = folder_.Write("other/train.tfrecord", "");
  EXPECT_THAT(FindShards(P("other"), DataUse::kTraining, -1), IsOkAndHolds(ElementsAre(other)));
}

TEST_F(FindShardsTest, ACopyBesideAShardIsRefusedByName) {
  const std::string copy = folder_.Write("a-fold-000-of-002-shard-00000-of-00001.bak", "");
  for (const int fold : {0, 1}) {
    EXPECT_THAT(FindShards(P("a"), DataUse::kTraining, fold),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(copy), HasSubstr("would count twice"))));
  }
  EXPECT_THAT(FindShards(P("a-fold-001"), DataUse::kTraining, -1),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
}

TEST_F(FindShardsTest, SaysHowBracketsInNamesAreWritten) {
  const std::string shard = folder_.Write("b[1]-fold-001-of-002-shard-00000-of-00001", "");
  EXPECT_THAT(FindShards(P("b[1]-fold-001*"), DataUse::kTraining, -1),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("write [[] where a name has one")));
  EXPECT_THAT(FindShards(P("b[[]1]-fold-001*"), DataUse::kTraining, -1),
              IsOkAndHolds(ElementsAre(shard)));
}

TEST(ShardNameTest, IsReadAndWritten) {
  const auto name = ParseShardName("/d/my-fold-set-fold-001-of-002-shard-00003-of-00010");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "/d/my-fold-set");
  EXPECT_EQ(name->fold, 1);
  EXPECT_EQ(name->folds, 2);
  EXPECT_EQ(name->shard, 3);
  EXPECT_EQ(name->shards, 10);
  EXPECT_EQ(FormatShardName(*name), "/d/my-fold-set-fold-001-of-002-shard-00003-of-00010");
  EXPECT_EQ(FormatShardName({.prefix = "x", .fold = 0, .folds = 2}), "x-fold-000-of-002");
  EXPECT_FALSE(ParseShardName("x-fold-aa-of-002"));
  EXPECT_FALSE(ParseShardName("train.tfrecord"));
}

TEST_F(FindShardsTest, APrefixIsTheNameOfASetNotTheBeginningOfOne) {
  folder_.Write("ab-fold-001-of-002-shard-00000-of-00001", "");
  EXPECT_THAT(FindShards(P("a"), DataUse::kTraining, 0),
              IsOkAndHolds(ElementsAre(fold1a_, fold1b_)));
  EXPECT_THAT(FindShards(P(""), DataUse::kTraining, 0), IsOkAndHolds(::testing::SizeIs(3)));
  folder_.Write("xyz-fold-001-of-002", "");
  EXPECT_THAT(FindShards(P("x"), DataUse::kTraining, -1),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("there are the sets"), HasSubstr(P("xyz")))));
}

}  // namespace
}  // namespace trainyard::data
