#include "libs/sealing/model_store.h"

#include <optional>
#include <string>
#include <utility>

#include "libs/base/files.h"
#include "libs/graph/builder.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::sealing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TestFolder;

Model SmallModel() {
  graph::GraphBuilder builder("net");
  const Tensor kernel = Tensor::Of<float>({1, 1, 1, 1}, {0.25f});
  const std::string input = builder.Input("Input", {-1, 1, 2, 2});
  builder.Output(builder.Conv("conv1", input, kernel, std::nullopt, {}), {-1, 1, 2, 2});
  Model model{.graph = std::move(builder).Finish().value(), .record = {}};
  model.record.set_network("ssd");
  model.record.add_classes("washer");
  return model;
}

TEST(ModelStoreTest, GivesBackGraphRecordAndExtraSections) {
  const TestFolder folder;
  const Model model = SmallModel();
  ASSERT_THAT(SaveModel(folder / "m.tlt", SealedKind::kCheckpoint, model,
                        {{"train_state", "step 7"}}, "key"),
              IsOk());
  const auto loaded = LoadModel(folder / "m.tlt", {SealedKind::kCheckpoint}, "key");
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->kind, SealedKind::kCheckpoint);
  EXPECT_EQ(loaded->model.graph.Serialize(), model.graph.Serialize());
  EXPECT_EQ(loaded->model.record.SerializeAsString(), model.record.SerializeAsString());
  EXPECT_EQ(loaded->extra, (Sections{{"train_state", "step 7"}}));
}

TEST(ModelStoreTest, AnEmptyListAcceptsEveryKind) {
  const TestFolder folder;
  ASSERT_THAT(SaveModel(folder / "m.etlt", SealedKind::kExport, SmallModel(), {}, "key"), IsOk());
  EXPECT_THAT(LoadModel(folder / "m.etlt", {}, "key"), IsOk());
  EXPECT_THAT(LoadModel(folder / "m.etlt", {SealedKind::kCheckpoint}, "key"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is of kind export")));
}

TEST(ModelStoreTest, AnExtraSectionCannotReplaceTheModel) {
  const TestFolder folder;
  EXPECT_THAT(
      SaveModel(folder / "m", SealedKind::kExport, SmallModel(), {{"record", "other"}}, "k"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'record'")));
  EXPECT_FALSE(FileExists(folder / "m"));
}

TEST(ModelStoreTest, ASealedFileWithoutAModelIsDataLossByName) {
  const TestFolder folder;
  ASSERT_THAT(SaveSealed(folder / "a", SealedKind::kExport, {{"record", ""}}, "k"), IsOk());
  EXPECT_THAT(LoadModel(folder / "a", {}, "k"),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("a'"), HasSubstr("'model.onnx' is absent"))));
  ASSERT_THAT(
      SaveSealed(folder / "a", SealedKind::kExport, {{"record", "\xff"}, {"model.onnx", "x"}}, "k"),
      IsOk());
  EXPECT_THAT(LoadModel(folder / "a", {}, "k"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("'record' is not a ModelRecord")));
  ASSERT_THAT(SaveSealed(folder / "a", SealedKind::kExport,
                         {{"record", ""}, {"model.onnx", "no graph"}}, "k"),
              IsOk());
  EXPECT_THAT(LoadModel(folder / "a", {}, "k"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("section 'model.onnx': ")));
}

}  // namespace
}  // namespace trainyard::sealing
