#include "libs/networks/ssd/ssd_builder.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

graph::Graph Build(const SsdArchitecture& architecture, uint64_t seed = 42) {
  absl::StatusOr<SsdGraph> built = BuildSsd(architecture, seed);
  EXPECT_THAT(built, IsOk());
  return std::move(built->graph);
}

/// Parameters of nodes whose name begins as a head, as the expansion, or as neither.
struct Counts {
  int64_t backbone = 0, expansion = 0, heads = 0;
};

Counts CountsOf(const graph::Graph& graph) {
  Counts counts;
  for (const std::string& name : graph.InitializerNames()) {
    const Tensor tensor = *graph.Initializer(name);
    if (tensor.dtype() != DType::kFloat32) continue;
    const bool head = name.rfind("ssd_conf", 0) == 0 || name.rfind("ssd_loc", 0) == 0;
    const bool expansion = name.rfind("ssd_expand", 0) == 0;
    (head ? counts.heads : expansion ? counts.expansion : counts.backbone) += tensor.size();
  }
  return counts;
}

TEST(SsdBuilderTest, ResNet10HasTheParametersOfTheReference) {
  const graph::Graph graph = Build({.depth = 10, .classes = 3});
  EXPECT_EQ(graph.ParameterCount(), 5713072);
  EXPECT_EQ(CountsOf(graph).backbone, 4915904);
  EXPECT_EQ(CountsOf(graph).expansion, 354560);
  EXPECT_EQ(CountsOf(graph).heads, 442608);
}

TEST(SsdBuilderTest, ResNet18HasTheParametersOfTheReference) {
  const graph::Graph graph = Build({.depth = 18, .classes = 3});
  EXPECT_EQ(graph.ParameterCount(), 13236464);
  EXPECT_EQ(CountsOf(graph).backbone, 11542464);
  EXPECT_EQ(CountsOf(graph).expansion, 1306688);
  EXPECT_EQ(CountsOf(graph).heads, 387312);
}

TEST(SsdBuilderTest, ShapesAreThoseOfTheReference) {
  const graph::Graph graph = Build({.depth = 10, .width = 300, .height = 300, .classes = 3});
  const auto shapes = graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("Input"), ElementsAre(-1, 3, 300, 300));
  EXPECT_THAT(shapes->at("conv1"), ElementsAre(-1, 64, 150, 150));
  EXPECT_THAT(shapes->at("block_2a_relu"), ElementsAre(-1, 128, 38, 38));
  EXPECT_THAT(shapes->at("block_4a_relu"), ElementsAre(-1, 512, 19, 19));
  EXPECT_THAT(shapes->at("ssd_expand_block_4_relu_1"), ElementsAre(-1, 128, 2, 2));
  EXPECT_THAT(shapes->at("mbox_conf"), ElementsAre(-1, 8744, 4));
  EXPECT_THAT(shapes->at("mbox_loc"), ElementsAre(-1, 8744, 4));
}

TEST(SsdBuilderTest, AnySizeFrom128Works) {
  // Width before height in the argument, height before width in the tensor; not multiples of 32.
  const graph::Graph graph =
      Build({.depth = 18, .width = 201, .height = 131, .channels = 1, .classes = 1});
  const auto shapes = graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("Input"), ElementsAre(-1, 1, 131, 201));
  const auto sizes = SsdMapSizes(*FindSsdBackbone("resnet", 18), 131, 201);
  EXPECT_THAT(shapes->at("block_2b_relu"), ElementsAre(-1, 128, sizes[0].height, sizes[0].width));
  EXPECT_THAT(shapes->at("ssd_expand_block_4_relu_1"),
              ElementsAre(-1, 128, sizes[5].height, sizes[5].width));
}

TEST(SsdBuilderTest, MapSizesAreHalvedAndRoundedUp) {
  const SsdBackbone resnet = *FindSsdBackbone("resnet", 10);
  EXPECT_THAT(SsdMapSizes(resnet, 300, 300),
              ElementsAre(MapSize{38, 38}, MapSize{19, 19}, MapSize{10, 10}, MapSize{5, 5},
                          MapSize{3, 3}, MapSize{2, 2}));
  EXPECT_THAT(SsdMapSizes(resnet, 384, 1248),
              ElementsAre(MapSize{48, 156}, MapSize{24, 78}, MapSize{12, 39}, MapSize{6, 20},
                          MapSize{3, 10}, MapSize{2, 5}));
}

TEST(SsdBuilderTest, LayersAreCalledAsInTao) {
  const graph::Graph graph = Build({.depth = 18});
  for (const std::string name : {"conv1",
                                 "bn_conv1",
                                 "block_1a_conv_1",
                                 "block_1a_bn_1",
                                 "block_1a_relu_1",
                                 "block_1a_conv_2",
                                 "block_1a_bn_2",
                                 "block_1a_conv_shortcut",
                                 "block_1a_bn_shortcut",
                                 "block_1a_relu",
                                 "block_4b_relu",
                                 "ssd_expand_block_0_conv_0",
                                 "ssd_expand_block_0_relu_0",
                                 "ssd_expand_block_0_conv_1",
                                 "ssd_expand_block_0_bn_1",
                                 "ssd_expand_block_4_relu_1",
                                 "ssd_conf_0",
                                 "ssd_loc_5",
                                 "conf_reshape_0",
                                 "loc_reshape_5",
                                 "mbox_conf",
                                 "mbox_loc"}) {
    EXPECT_NE(graph.FindNode(name), nullptr) << name;
  }
  EXPECT_TRUE(graph.HasInitializer("ssd_expand_block_0_conv_0/bias"));
  EXPECT_FALSE(graph.HasInitializer("ssd_expand_block_0_conv_1/bias"));
  EXPECT_EQ(Build({.depth = 10}).FindNode("ssd_expand_block_0_conv_0"), nullptr);
}

TEST(SsdBuilderTest, PadsSymmetricallyAndExplicitly) {
  const graph::Graph graph = Build({.depth = 10});
  const auto pads = [&graph](const std::string& name) {
    return graph::IntsAttribute(*graph.FindNode(name), "pads", {});
  };
  EXPECT_THAT(pads("conv1"), ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(pads("block_2a_conv_1"), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(pads("block_2a_conv_shortcut"), ElementsAre(0, 0, 0, 0));
}

TEST(SsdBuilderTest, TheSeedDecidesTheWeightsAndNothingElse) {
  const SsdArchitecture architecture{.depth = 10, .width = 128, .height = 128};
  EXPECT_EQ(Build(architecture, 1).Serialize(), Build(architecture, 1).Serialize());
  EXPECT_NE(Build(architecture, 1).Serialize(), Build(architecture, 2).Serialize());
  // Another number of classes changes the heads alone.
  SsdArchitecture wider = architecture;
  wider.classes = 7;
  EXPECT_EQ(Build(architecture, 1).Initializer("ssd_loc_3/kernel")->data<float>(),
            Build(wider, 1).Initializer("ssd_loc_3/kernel")->data<float>());
}

TEST(SsdBuilderTest, RefusesWhatItCannotBuild) {
  EXPECT_THAT(
      BuildSsd({.depth = 11, .width = 96, .height = 127, .channels = 4, .classes = 0}, 0),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("width is 96; expected at least 128"), HasSubstr("height is 127"),
                     HasSubstr("channels is 4"), HasSubstr("classes is 0"),
                     HasSubstr("nlayers is 11; SSD is offered on resnet with 10, 18, 34, 50, 101"))));
  EXPECT_THAT(BuildSsd({.arch = "vg"}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("arch is 'vg'"), HasSubstr("did you mean 'vgg'?"))));
  // TAO has no SSD on it.
  EXPECT_THAT(BuildSsd({.arch = "alexnet"}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("arch is 'alexnet'")));
}

}  // namespace
}  // namespace trainyard::networks
