#include "libs/pretrained/store.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/sealing/model_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/pretrained/small_models.h"

namespace trainyard::pretrained {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::SmallModel;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class ModelStoreTest : public ::testing::Test {
 protected:
  /// The store's own models; the three built-in ones come first.
  std::vector<ListedModel> Own() {
    auto all = *store_.List();
    all.erase(all.begin(), all.begin() + 3);
    return all;
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_ / "models"};
};

TEST_F(ModelStoreTest, AnEmptyOneListsWhatIsBuiltIn) {
  const auto all = store_.List();
  ASSERT_THAT(all, IsOkAndHolds(SizeIs(3)));
  EXPECT_TRUE(all->front().built_in);
  EXPECT_FALSE(all->front().stored.has_value());
  EXPECT_THAT(all->front().problem, IsOk());
  EXPECT_FALSE(FolderExists(store_.folder()));
}

TEST_F(ModelStoreTest, WhatIsAddedIsFoundOpensAndGoes) {
  const ImportedModel model = SmallModel("mine");
  const auto stored = store_.Add(model, "key");
  ASSERT_THAT(stored, IsOk());
  EXPECT_THAT(ListFolder(store_.folder()), IsOkAndHolds(ElementsAre("mine.json", "mine.tlt")));
  EXPECT_EQ(store_.Path("mine"), folder_ / "models/mine.tlt");
  EXPECT_EQ(stored->model_sha256(), Sha256Hex(ContentOf(store_.Path("mine"))));
  EXPECT_THAT(store_.CheckWhole(*stored), IsOk());

  const auto found = store_.Find("mine");
  ASSERT_THAT(found, IsOk());
  EXPECT_FALSE(found->built_in);
  EXPECT_THAT(found->problem, IsOk());
  ASSERT_TRUE(found->stored.has_value());
  EXPECT_EQ(found->stored->source(), "a.safetensors");
  EXPECT_EQ(found->stored->source_sha256(), model.source_sha256);
  EXPECT_EQ(found->model.parameters(), 735424);
  EXPECT_THAT(Own(), SizeIs(1));

  const auto opened =
      sealing::LoadModel(store_.Path("mine"), {sealing::SealedKind::kCheckpoint}, "key");
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->model.record.network(), "backbone");

  EXPECT_THAT(store_.Remove("mine"), IsOk());
  EXPECT_THAT(ListFolder(store_.folder()), IsOkAndHolds(SizeIs(0)));
  EXPECT_THAT(store_.Remove("mine"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ModelStoreTest, TheSameModelGivesTheSameBytes) {
  ASSERT_THAT(store_.Add(SmallModel("mine"), "key"), IsOk());
  ModelStore other(folder_ / "other");
  ASSERT_THAT(other.Add(SmallModel("mine"), "key"), IsOk());
  EXPECT_TRUE(ContentOf(store_.Path("mine")) == ContentOf(other.Path("mine")));
}

TEST_F(ModelStoreTest, ANameIsTakenOnce) {
  ASSERT_THAT(store_.Add(SmallModel("mine"), "key"), IsOk());
  const std::string before = ContentOf(store_.Path("mine"));
  EXPECT_THAT(store_.Add(SmallModel("mine", 6), "key"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("remove it first")));
  EXPECT_TRUE(ContentOf(store_.Path("mine")) == before);
  EXPECT_THAT(store_.Add(SmallModel("efficientnet_lite0"), "key"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("public model's name")));
}

TEST_F(ModelStoreTest, AFileOfSomebodyElsesStays) {
  folder_.Write("models/mine.tlt", "my own training");
  EXPECT_THAT(store_.Add(SmallModel("mine"), "key"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("no model of this store")));
  EXPECT_THAT(store_.Remove("mine"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("has no record")));
  EXPECT_EQ(ContentOf(folder_ / "models/mine.tlt"), "my own training");
}

TEST_F(ModelStoreTest, ADamagedRecordIsToldNotHidden) {
  folder_.Write("models/broken.json", "{\"model\": ");
  ASSERT_THAT(Own(), SizeIs(1));
  EXPECT_EQ(Own()[0].model.name(), "broken");
  EXPECT_THAT(Own()[0].problem,
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("broken.json"), HasSubstr("no record of a pretrained"))));
  EXPECT_THAT(store_.Add(SmallModel("broken"), "key"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("broken.json")));
  EXPECT_THAT(store_.Remove("broken"), IsOk());
  EXPECT_THAT(Own(), SizeIs(0));
}

TEST_F(ModelStoreTest, ARecordOfAnotherNameOrWithoutDigestsIsDamaged) {
  ASSERT_THAT(store_.Add(SmallModel("mine"), "key"), IsOk());
  folder_.Write("models/other.json", ContentOf(folder_ / "models/mine.json"));
  EXPECT_THAT(store_.Find("other")->problem,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("model.name is 'mine'")));
  folder_.Write("models/mine.json", "{\"model\":{\"name\":\"mine\"}, \"model_sha256\":\"x\"}");
  EXPECT_THAT(store_.Find("mine")->problem,
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("model_sha256 is 'x'"), HasSubstr("source_sha256 is ''"))));
}

TEST_F(ModelStoreTest, FieldsOfALaterVersionAreNoDamage) {
  ASSERT_THAT(store_.Add(SmallModel("mine"), "key"), IsOk());
  std::string record = ContentOf(folder_ / "models/mine.json");
  record.insert(record.find('{') + 1, "\"later\": 1,");
  folder_.Write("models/mine.json", record);
  EXPECT_THAT(store_.Find("mine")->problem, IsOk());
}

// As a crash between the two files leaves it.
TEST_F(ModelStoreTest, ARecordAloneIsToldAndMayBeReplaced) {
  ASSERT_THAT(store_.Add(SmallModel("mine"), "key"), IsOk());
  ASSERT_THAT(RemoveTree(store_.Path("mine")), IsOk());
  EXPECT_THAT(store_.Find("mine")->problem,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("mine.tlt' is not; add it again")));
  EXPECT_THAT(store_.Add(SmallModel("mine", 6), "key"), IsOk());
  EXPECT_THAT(store_.Find("mine")->problem, IsOk());
}

TEST_F(ModelStoreTest, AModelThatWasChangedIsNotWhole) {
  const auto stored = store_.Add(SmallModel("mine"), "key");
  ASSERT_THAT(stored, IsOk());
  folder_.Write("models/mine.tlt", ContentOf(store_.Path("mine")) + "x");
  EXPECT_THAT(store_.CheckWhole(*stored),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not what was stored")));
}

TEST_F(ModelStoreTest, AnUnknownNameGetsTheNearest) {
  EXPECT_THAT(
      store_.Find("efficientnet_lit0"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean 'efficientnet_lite0'?")));
  EXPECT_THAT(store_.Find("../a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_.Remove("../a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store_.Add(SmallModel("../a"), ""), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trainyard::pretrained
