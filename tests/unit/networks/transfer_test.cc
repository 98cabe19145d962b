#include "libs/networks/transfer.h"

#include <utility>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"
#include "libs/networks/classification/classification_builder.h"
#include "libs/weights/apply_weights.h"
#include "onnx/onnx_pb.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::SmallSsds;
using ::trainyard::testing::SsdModel;
using ::trainyard::testing::StatusIs;

/// Convolutions and normalizations of an SSD on ResNet-10.
constexpr int kLayers = 33 + 17;

bool SameWeights(const Model& a, const Model& b, const std::string& name) {
  return a.graph.Initializer(name)->data<float>() == b.graph.Initializer(name)->data<float>();
}

/// Lets a layer keep its first `count` filters, as pruning would.
void Narrow(Model& model, const std::string& layer, int64_t count) {
  const Tensor kernel = *model.graph.Initializer(layer + "/kernel");
  ASSERT_THAT(model.graph.SetInitializer(layer + "/kernel", *kernel.Rows(0, count)), IsOk());
}

/// A backbone alone, as the store of pretrained models has them.
Model BackboneModel(const layers::BackboneOptions& options) {
  graph::GraphBuilder builder("backbone");
  const layers::FeatureMap input{builder.Input("Input", {-1, 3, 64, 64}), 3, 64, 64};
  const layers::FeatureMap map = layers::AddBackbone(builder, options, input)->output();
  builder.Output(map.value, {-1, map.channels, map.height, map.width});
  Model model{*std::move(builder).Finish(), {}};
  model.record.set_network(std::string(kBackboneNetwork));
  model.record.set_arch(layers::BackboneName(options));
  model.record.add_lineage()->set_stage("import");
  return model;
}

/// The same with a dense layer, as image classification trains it.
Model Classifier(const layers::BackboneOptions& options) {
  Model model{std::move(BuildClassifier({.backbone = options, .height = 64, .width = 64, .classes = 5})
                            ->graph),
              {}};
  model.record.set_network("classification");
  model.record.set_arch(layers::BackboneName(options));
  for (const char* name : {"a", "b", "c", "d", "e"}) model.record.add_classes(name);
  return model;
}

TEST(TransferWeightsTest, TakesEveryLayerOfTheSameNetwork) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"car", "person"}, 2);
  from.record.add_lineage()->set_stage("train");
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->loaded, SizeIs(kLayers));
  EXPECT_THAT(report->mismatched, IsEmpty());
  EXPECT_THAT(report->missing, IsEmpty());
  EXPECT_FALSE(report->took_graph);
  EXPECT_TRUE(SameWeights(from, to, "ssd_conf_3/kernel"));
  EXPECT_EQ(to.record.lineage_size(), 1);
  EXPECT_EQ(report->Summary(), "50 layers loaded, 0 of another shape, 0 not in the file");
}

TEST(TransferWeightsTest, OtherClassesLeaveTheClassHeadsFresh) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"a", "b", "c"}, 2);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->mismatched,
              AllOf(SizeIs(6), Contains("ssd_conf_0: f32 [8, 128, 3, 3], the file "
                                        "has f32 [6, 128, 3, 3]")));
  EXPECT_TRUE(SameWeights(from, to, "ssd_loc_0/kernel"));
  EXPECT_EQ(to.graph.Initializer("ssd_conf_0/kernel")->dim(0), 8);
  EXPECT_THAT(to.record.classes(), ElementsAre("a", "b", "c"));
}

TEST(TransferWeightsTest, LayersThatTheFileLacksAreNamed) {
  const Model from = SmallSsd();
  Model to = SsdModel({.depth = 18, .width = 128, .height = 128}, {"car", "person"}, 2);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->missing, Contains("block_1b_conv_1"));
  EXPECT_THAT(report->loaded, Contains("block_1a_conv_1"));
  EXPECT_FALSE(report->took_graph);
}

TEST(TransferWeightsTest, APrunedModelBringsItsOwnGraphAndAnchors) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"lorry", "rider"}, 2);
  from.record.mutable_training()->set_pruned(true);
  from.record.mutable_training()->add_frozen("conv1/kernel");
  from.record.mutable_ssd()->mutable_maps(0)->set_scale(0.07);
  from.record.mutable_ssd()->set_top_k(5);
  Narrow(from, "conv1", 16);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->took_graph);
  EXPECT_EQ(report->Summary(), "pruned model: its own graph with 50 layers");
  EXPECT_EQ(to.graph.Initializer("conv1/kernel")->dim(0), 16);
  EXPECT_EQ(to.record.ssd().maps(0).scale(), 0.07);
  EXPECT_EQ(to.record.ssd().top_k(), 200) << "inference settings are the spec's";
  EXPECT_THAT(to.record.classes(), ElementsAre("lorry", "rider"));
  EXPECT_THAT(to.record.training().frozen(), ElementsAre("conv1/kernel"));
  EXPECT_THAT(report->warnings,
              UnorderedElementsAre(
                  HasSubstr("its classes are car, person; the spec's are lorry, rider"),
                  HasSubstr("ssd_config.scales is [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1], the model "
                            "has [0.07, "),
                  HasSubstr("ssd_config.freeze_blocks")));
}

TEST(TransferWeightsTest, NamesOfClassesThatDifferAreTold) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"car", "person"}, 2);
  EXPECT_THAT(TransferWeights(from, to)->warnings, IsEmpty());
  const auto warnings = [&](const std::vector<std::string>& classes) {
    to = SmallSsd(classes, 2);
    return TransferWeights(from, to)->warnings;
  };
  EXPECT_THAT(warnings({"car", "dog"}),
              ElementsAre(AllOf(HasSubstr("car, person"), HasSubstr("car, dog"),
                                HasSubstr("those that both name are taken"))));
  EXPECT_THAT(warnings({"car"}), ElementsAre(HasSubstr("those that both name are taken")));
  EXPECT_THAT(warnings({"cat", "dog"}),
              ElementsAre(HasSubstr("goes on as the spec's first class")));
  EXPECT_THAT(warnings({"dog"}), ElementsAre(HasSubstr("start with fresh weights")));
}

TEST(TransferWeightsTest, ANarrowerExpansionIsRecognisedAsPrunedToo) {
  Model from = SmallSsd(), to = SmallSsd({"car", "person"}, 2);
  Narrow(from, "ssd_expand_block_2_conv_0", 16);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->took_graph);
  EXPECT_TRUE(to.record.training().pruned());
}

TEST(TransferWeightsTest, APrunedModelMustAgreeWithTheSpec) {
  Model from = SmallSsd({"car", "person"}, 1, 160);
  from.record.mutable_training()->set_pruned(true);
  from.record.mutable_ssd()->mutable_maps(2)->add_aspect_ratios(3);
  Model to = SmallSsd({"car"}, 2);
  to.record.set_arch("resnet18");
  const std::string before = to.graph.Serialize();
  EXPECT_THAT(TransferWeights(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("classes are 1 in the spec and 2 in the pruned model"),
                             HasSubstr("ssd_config.arch with nlayers is resnet18 in the spec and "
                                       "resnet10 in the pruned model"),
                             HasSubstr("is 128x128x3 in the spec and 160x160x3"),
                             HasSubstr("prediction map 2 are 2 in the spec and 3"))));
  EXPECT_EQ(to.graph.Serialize(), before);
}

TEST(TransferWeightsTest, NetworksMustBeKnown) {
  Model from = SmallSsd(), to = SmallSsd();
  from.record.set_network("yolo_v4");
  EXPECT_THAT(TransferWeights(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("network 'yolo_v4'")));
}

TEST(TransferWeightsTest, OfAClassifierTheBackboneIsTaken) {
  Model from = Classifier({.arch = "resnet", .n_layers = 10, .seed = 7});
  Model to = SmallSsd({"car", "person"}, 2);
  const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->Summary(),
            "26 of 26 layers of the backbone loaded, 0 of another shape, 24 layers of the network "
            "not in the file");
  EXPECT_EQ(report->expected_parameters, 4915904) << "without its dense layer";
  EXPECT_EQ(report->Share(), 1);
  EXPECT_THAT(report->warnings, IsEmpty()) << "classes of a head that is not taken";
  EXPECT_TRUE(SameWeights(from, to, "block_4a_conv_2/kernel"));
  EXPECT_THAT(to.record.classes(), ElementsAre("car", "person"));
  from.record.mutable_training()->set_pruned(true);
  EXPECT_THAT(TransferWeights(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a pruned one of network 'classification'")));
}

// As `trainyard models` keeps them: whole, while detectors leave the last layers of MobileNets out;
// with projections on shortcuts, or, of torchvision's, without.
TEST(TransferWeightsTest, EveryBackboneStartsAnSsd) {
  for (const SsdArchitecture& ssd : SmallSsds()) {
    for (const bool projections : {true, false}) {
      if (!projections && ssd.arch != "resnet" && ssd.arch != "mobilenet_v2") continue;
      SCOPED_TRACE(ssd.arch);
      const Model from = BackboneModel({.arch = ssd.arch,
                                        .n_layers = ssd.depth,
                                        .all_projections = projections,
                                        .seed = 7});
      Model to = SsdModel(ssd, {"car", "person"}, 2);
      const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
      ASSERT_THAT(report, IsOk());
      EXPECT_THAT(CheckEnough(*report, false), IsOk());
      EXPECT_THAT(report->mismatched, IsEmpty());
      for (const std::string& layer : report->missing) {
        const bool projection = absl::StrContains(layer, "shortcut") ||
                                absl::StrContains(layer, "projected_inputs");
        EXPECT_TRUE(absl::StartsWith(layer, "ssd_") || (projection && !projections)) << layer;
      }
      EXPECT_TRUE(SameWeights(from, to, report->loaded[0] + "/kernel"));
    }
  }
}

// What a weight file holds once it is read (libs/weights), under our own names: of a whole
// classifier.
TEST(TransferWeightsTest, WeightFilesOfEveryBackboneStartAnSsd) {
  for (const SsdArchitecture& ssd : SmallSsds()) {
    SCOPED_TRACE(ssd.arch);
    const Model from = Classifier({.arch = ssd.arch, .n_layers = ssd.depth, .seed = 7});
    weights::NamedWeights weights{.format = "onnx"};
    for (const std::string& name : from.graph.InitializerNames()) {
      const Tensor tensor = *from.graph.Initializer(name);
      if (tensor.dtype() == DType::kFloat32) weights.tensors.emplace(name, tensor);
    }
    Model to = SsdModel(ssd, {"car", "person"}, 2);
    const auto match = weights::ApplyWeights(weights, to.record.arch(), to.graph);
    ASSERT_THAT(match, IsOk());
    EXPECT_EQ(match->Share(), 1);
    EXPECT_THAT(match->mismatched, IsEmpty());
    EXPECT_THAT(match->missing, IsEmpty());
    EXPECT_TRUE(SameWeights(from, to, match->loaded[0] + "/kernel"));
  }
}

TEST(TransferWeightsTest, ABackboneServesAnyNetwork) {
  const Model from = BackboneModel({.arch = "resnet", .n_layers = 10, .seed = 7});
  Model to = SmallSsd({"car", "person"}, 2);
  const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  // A stem, four units of two convolutions and a projection, each with its normalization.
  EXPECT_THAT(report->loaded, SizeIs(2 * (1 + 4 * 3)));
  EXPECT_THAT(report->mismatched, IsEmpty());
  EXPECT_THAT(report->missing, SizeIs(kLayers - 26));
  EXPECT_THAT(report->warnings, IsEmpty());
  EXPECT_EQ(report->Summary(),
            "26 of 26 layers of the backbone loaded, 0 of another shape, 24 layers of the network "
            "not in the file");
  EXPECT_EQ(report->expected_parameters, 4915904);
  EXPECT_EQ(report->Share(), 1);
  EXPECT_TRUE(SameWeights(from, to, "block_4a_conv_2/kernel"));
  EXPECT_EQ(to.record.lineage(0).stage(), "import");
  EXPECT_EQ(to.record.network(), "ssd");
  EXPECT_THAT(to.record.classes(), ElementsAre("car", "person"));
  EXPECT_THAT(CheckEnough(*report, false), IsOk());
}

TEST(TransferWeightsTest, ABackboneIsNeverTakenForAPrunedModel) {
  Model from = BackboneModel({.arch = "resnet", .n_layers = 10, .seed = 7});
  from.record.mutable_training()->set_pruned(true);
  Narrow(from, "conv1", 16);
  Model to = SmallSsd({"car", "person"}, 2);
  const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_FALSE(report->took_graph);
  EXPECT_THAT(report->mismatched, ElementsAre(HasSubstr("the file has f32 [16, 3, 7, 7]")));
  EXPECT_EQ(to.graph.Initializer("conv1/kernel")->dim(0), 64);
}

TEST(CheckEnoughTest, AnotherBackboneIsNotEnoughAndTheReasonsAreTold) {
  const Model from = BackboneModel({.arch = "squeezenet", .seed = 7});
  Model to = SmallSsd({"car", "person"}, 2);
  const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_LT(report->Share(), 0.5);
  EXPECT_THAT(CheckEnough(*report, false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("0.0 % of the backbone's weights came over (0 of 735424"),
                             HasSubstr("0 of 25 layers of the backbone"),
                             HasSubstr("conv1: f32 [64, 3, 7, 7], the file has f32 [96, 3, 7, 7]"),
                             HasSubstr("bn_conv1: not in the file"), HasSubstr("; and 45 more"),
                             HasSubstr("--accept-few-weights"))));
  EXPECT_THAT(CheckEnough(*report, true), IsOk());
}

TEST(CheckEnoughTest, HalfIsEnoughAndALittleLessIsNot) {
  TransferReport report{.loaded_parameters = 50, .expected_parameters = 100};
  EXPECT_THAT(CheckEnough(report, false), IsOk());
  report.loaded_parameters = 49;
  report.mismatched = {"a: 1", "b: 2", "c: 3"};
  report.missing = {"d", "e"};
  EXPECT_THAT(CheckEnough(report, false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("only 49.0 % of the model's weights"),
                             HasSubstr("a: 1; b: 2; c: 3; d: not in the file; e: not in the file."),
                             Not(HasSubstr("more. To")))));
}

TEST(CheckEnoughTest, HeadsDoNotCountForTheSameNetwork) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"a", "b", "c"}, 2);
  const absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->mismatched, Not(IsEmpty()));
  EXPECT_EQ(report->Share(), 1);
  // docs/models.md: the backbone and the expansion of ResNet-10.
  EXPECT_EQ(report->expected_parameters, 4915904 + 354560);
}

}  // namespace
}  // namespace trainyard::networks
