#include "libs/layers/backbone.h"

#include <cmath>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "tests/support/backbone_graph.h"
#include "tests/support/status_matchers.h"

namespace trainyard::layers {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::trainyard::testing::BackboneGraph;
using ::trainyard::testing::BuildBackbone;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallBackbones;
using ::trainyard::testing::StatusIs;

BackboneGraph Build(const BackboneOptions& options, int64_t height = 64, int64_t width = 64,
                    int64_t channels = 3) {
  auto built = BuildBackbone(options, height, width, channels);
  EXPECT_THAT(built, IsOk()) << options.arch;
  return *std::move(built);
}

std::vector<std::string> NodesOf(const graph::Graph& graph, absl::string_view op) {
  std::vector<std::string> names;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (graph::IsOp(*node, op)) names.push_back(node->name());
  }
  return names;
}

/// The sizes that ONNX's shape inference finds for the maps are those that the backbone tells.
void ExpectSizesOfShapeInference(const BackboneGraph& built) {
  const auto shapes = built.graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  for (const FeatureMap& map : built.backbone.maps) {
    EXPECT_THAT(shapes->at(map.value), ElementsAre(-1, map.channels, map.height, map.width))
        << map.value;
  }
}

/// What an architecture gives to those who look at its maps: the layers at strides 8 and 16, which
/// TAO's detectors tap, and its output.
struct Expected {
  BackboneOptions options;
  std::string at8, at16, output;
  int64_t channels, stride;
};

const std::vector<Expected>& AllExpected() {
  static const auto& all = *new std::vector<Expected>{
      {{.arch = "alexnet"}, "conv2_relu", "conv5_relu", "conv5_relu", 256, 16},
      {{.arch = "darknet", .n_layers = 19},
       "b3_conv3_lrelu",
       "b4_conv5_lrelu",
       "b5_conv5_lrelu",
       1024,
       32},
      {{.arch = "darknet", .n_layers = 53}, "b3_add8", "b4_add8", "b5_add4", 1024, 32},
      {{.arch = "efficientnet_b0"},
       "block4a_expand_activation",
       "block6a_expand_activation",
       "top_activation",
       1280,
       32},
      {{.arch = "efficientnet_b1"},
       "block4a_expand_activation",
       "block6a_expand_activation",
       "top_activation",
       1280,
       32},
      {{.arch = "efficientnet_lite0"},
       "block4a_expand_activation",
       "block6a_expand_activation",
       "top_activation",
       1280,
       32},
      {{.arch = "efficientnet_lite1"},
       "block4a_expand_activation",
       "block6a_expand_activation",
       "top_activation",
       1280,
       32},
      {{.arch = "efficientnet_lite2"},
       "block4a_expand_activation",
       "block6a_expand_activation",
       "top_activation",
       1280,
       32},
      {{.arch = "googlenet"},
       "inception_3b_output",
       "inception_5b_output",
       "inception_5b_output",
       1024,
       16},
      {{.arch = "mobilenet_v1"}, "conv_pw_relu_5", "conv_pw_relu_11", "conv_pw_relu_13", 1024, 32},
      {{.arch = "mobilenet_v1", .total_stride = 16},
       "conv_pw_relu_5",
       "conv_pw_relu_11",
       "conv_pw_relu_11",
       512,
       16},
      {{.arch = "mobilenet_v2"}, "re_lu_7", "re_lu_14", "re_lu_head", 1280, 32},
      {{.arch = "mobilenet_v2", .total_stride = 16},
       "re_lu_7",
       "block_12_add",
       "block_12_add",
       96,
       16},
      {{.arch = "resnet", .n_layers = 10},
       "block_2a_relu",
       "block_4a_relu",
       "block_4a_relu",
       512,
       16},
      {{.arch = "resnet", .n_layers = 18},
       "block_2b_relu",
       "block_4b_relu",
       "block_4b_relu",
       512,
       16},
      {{.arch = "resnet", .n_layers = 18, .use_pooling = true},
       "block_2b_relu",
       "block_3b_relu",
       "block_4b_relu",
       512,
       32},
      {{.arch = "resnet", .n_layers = 34},
       "block_2d_relu",
       "block_4c_relu",
       "block_4c_relu",
       512,
       16},
      {{.arch = "resnet", .n_layers = 50},
       "block_2d_relu",
       "block_4c_relu",
       "block_4c_relu",
       2048,
       16},
      {{.arch = "resnet", .n_layers = 101},
       "block_2d_relu",
       "block_4c_relu",
       "block_4c_relu",
       2048,
       16},
      {{.arch = "squeezenet"}, "fire8", "fire9", "fire9", 512, 16},
      {{.arch = "vgg", .n_layers = 16}, "block_4c_relu", "block_5c_relu", "block_5c_relu", 512, 16},
      {{.arch = "vgg", .n_layers = 19}, "block_4d_relu", "block_5d_relu", "block_5d_relu", 512, 16},
      {{.arch = "vgg", .n_layers = 16, .use_pooling = true},
       "block_4c_relu",
       "block_5c_relu",
       "block_5c_relu",
       512,
       16},
  };
  return all;
}

TEST(BackboneTest, EveryArchitectureHasTheMapsThatTaoTaps) {
  for (const Expected& expected : AllExpected()) {
    SCOPED_TRACE(BackboneName(expected.options));
    const BackboneGraph built = Build(expected.options, 224, 224);
    const Backbone& backbone = built.backbone;
    EXPECT_EQ(backbone.AtStride(8)->value, expected.at8);
    EXPECT_EQ(backbone.AtStride(16)->value, expected.at16);
    EXPECT_EQ(backbone.AtStride(64), nullptr);
    EXPECT_EQ(backbone.output().value, expected.output);
    EXPECT_EQ(backbone.output().channels, expected.channels);
    EXPECT_EQ(backbone.output().stride, expected.stride);
    for (const FeatureMap& map : backbone.maps) {
      EXPECT_EQ(map.height, 224 / map.stride) << map.value;
      EXPECT_EQ(map.width, 224 / map.stride) << map.value;
    }
    ExpectSizesOfShapeInference(built);
  }
}

TEST(BackboneTest, TheListIsWhatIsBuilt) {
  std::set<std::string> listed, built;
  for (const Architecture& architecture : Architectures()) {
    if (architecture.depths.empty()) listed.insert(architecture.arch);
    for (const int depth : architecture.depths) {
      listed.insert(BackboneName({.arch = architecture.arch, .n_layers = depth}));
    }
  }
  for (const Expected& expected : AllExpected()) built.insert(BackboneName(expected.options));
  EXPECT_EQ(listed, built);
  EXPECT_EQ(BackboneName({.arch = "googlenet", .n_layers = 18}), "googlenet");
}

// Height before width, no multiple of anything, one channel.
TEST(BackboneTest, AnySizeWorks) {
  for (const BackboneOptions& options : SmallBackbones()) {
    SCOPED_TRACE(options.arch);
    const BackboneGraph built = Build(options, 131, 201, 1);
    ExpectSizesOfShapeInference(built);
    EXPECT_THAT(graph::Graph::Parse(built.graph.Serialize()), IsOk());
  }
}

TEST(BackboneTest, ConvolutionsRoundUpAndPoolingOfTwoPixelsRoundsDown) {
  const auto heights = [](const BackboneOptions& options) {
    std::vector<int64_t> all;
    for (const FeatureMap& map : Build(options, 300, 300).backbone.maps) all.push_back(map.height);
    return all;
  };
  EXPECT_THAT(heights({.arch = "resnet", .n_layers = 10}), ElementsAre(150, 75, 38, 19));
  EXPECT_THAT(heights({.arch = "squeezenet"}), ElementsAre(150, 75, 38, 19));
  EXPECT_THAT(heights({.arch = "efficientnet_lite0"}), ElementsAre(150, 75, 38, 19, 10));
  EXPECT_THAT(heights({.arch = "googlenet"}), ElementsAre(150, 75, 37, 18));
  EXPECT_THAT(heights({.arch = "darknet", .n_layers = 19}), ElementsAre(300, 150, 75, 37, 18, 9));
}

TEST(BackboneTest, LayersAreCalledAsInTao) {
  const std::vector<std::pair<BackboneOptions, std::vector<std::string>>> names = {
      {{.arch = "resnet", .n_layers = 50},
       {"conv1", "bn_conv1", "block_1a_conv_1", "block_1a_bn_1", "block_1a_relu_1",
        "block_1a_relu_2", "block_1a_conv_3", "block_1a_bn_3", "block_1a_conv_shortcut",
        "block_1a_bn_shortcut", "block_1a_relu", "block_3f_relu"}},
      {{.arch = "vgg", .n_layers = 16, .use_pooling = true},
       {"block_1a_conv_1", "block_1a_bn_1", "block_1b_relu", "block1_pool", "block_5c_conv_1"}},
      {{.arch = "darknet", .n_layers = 19},
       {"conv1", "conv1_bn", "conv1_lrelu", "maxpool_1", "b4_conv5_bn"}},
      {{.arch = "darknet", .n_layers = 53}, {"conv2", "b1_conv1_1", "b1_conv1_2_lrelu", "b1_add1"}},
      {{.arch = "mobilenet_v1"},
       {"conv1_bn", "conv_block_relu", "conv_dw_1", "conv_dw_1_bn", "conv_dw_1_relu", "conv_pw_1",
        "conv_pw_1_bn", "conv_pw_relu_1"}},
      {{.arch = "mobilenet_v2"},
       {"bn_conv1", "re_lu_0", "expanded_conv_depthwise", "expanded_conv_relu",
        "expanded_conv_project_bn", "block_1_expand", "block_1_expand_bn", "re_lu_2",
        "block_1_depthwise_bn", "block_2_projected_inputs", "block_2_add", "conv_1", "conv_1_bn"}},
      {{.arch = "squeezenet"},
       {"conv1_relu", "pool1", "fire2_squeeze_conv", "fire2_squeeze", "fire2_expand_conv1x1",
        "fire2_expand_1x1", "fire2_expand_conv3x3", "fire2_expand_3x3", "pool8"}},
      {{.arch = "googlenet"},
       {"conv2_reduce", "bn_conv2_reduce", "bn_conv2", "pool3", "inception_3a_3x3_reduce",
        "inception_3a_5x5_bn", "inception_3a_pool", "inception_3a_pool_proj"}},
      {{.arch = "efficientnet_b0"},
       {"stem_conv", "stem_bn", "block1a_dwconv", "block1a_bn", "block1a_activation",
        "block1a_se_squeeze", "block1a_se_reduce", "block1a_se_expand", "block1a_se_excite",
        "block1a_project_conv", "block1a_project_bn", "block2a_expand_conv", "block2b_add",
        "top_conv", "top_bn"}},
      {{.arch = "alexnet"}, {"conv1", "pool1", "pool2", "conv5"}},
  };
  for (const auto& [options, layers] : names) {
    const BackboneGraph built = Build(options);
    for (const std::string& layer : layers) {
      EXPECT_NE(built.graph.FindNode(layer), nullptr) << options.arch << ": " << layer;
    }
  }
}

TEST(BackboneTest, BlocksAreAllConvolutionsAndNormalizationsOnce) {
  for (const BackboneOptions& options : SmallBackbones()) {
    SCOPED_TRACE(options.arch);
    const BackboneGraph built = Build(options);
    std::vector<std::string> convolutions, norms;
    for (const BackboneBlock& block : built.backbone.blocks) {
      convolutions.insert(convolutions.end(), block.convolutions.begin(), block.convolutions.end());
      norms.insert(norms.end(), block.batch_norms.begin(), block.batch_norms.end());
    }
    EXPECT_EQ(convolutions, NodesOf(built.graph, "Conv"));
    EXPECT_EQ(norms, NodesOf(built.graph, "BatchNormalization"));
  }
}

TEST(BackboneTest, BlocksHaveTaosNumbers) {
  const auto ids = [](const BackboneOptions& options) {
    std::vector<int> all;
    for (const BackboneBlock& block : Build(options).backbone.blocks) all.push_back(block.id);
    return all;
  };
  EXPECT_THAT(ids({.arch = "resnet", .n_layers = 10}), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(ids({.arch = "vgg", .n_layers = 16}), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(ids({.arch = "darknet", .n_layers = 19}), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(ids({.arch = "alexnet"}), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(ids({.arch = "googlenet"}).back(), 9);
  EXPECT_EQ(ids({.arch = "squeezenet"}).back(), 8);
  EXPECT_EQ(ids({.arch = "mobilenet_v1", .total_stride = 16}).back(), 11);
  EXPECT_EQ(ids({.arch = "mobilenet_v2", .total_stride = 16}).back(), 13);
  EXPECT_EQ(ids({.arch = "mobilenet_v2"}).back(), 18);
  EXPECT_EQ(ids({.arch = "efficientnet_b0"}).back(), 8);
  const Backbone backbone = Build({.arch = "darknet", .n_layers = 53}).backbone;
  EXPECT_THAT(backbone.blocks[1].convolutions, ElementsAre("conv2", "b1_conv1_1", "b1_conv1_2"));
  EXPECT_THAT(backbone.blocks[1].batch_norms,
              ElementsAre("conv2_bn", "b1_conv1_1_bn", "b1_conv1_2_bn"));
}

TEST(BackboneTest, BlocksAreKnownWithoutBuilding) {
  for (const Architecture& one : Architectures()) {
    for (const int stride : {16, 32}) {
      const BackboneOptions options{.arch = one.arch,
                                    .n_layers = one.depths.empty() ? 0 : one.depths.front(),
                                    .total_stride = stride};
      const std::vector<BackboneBlock> built = Build(options).backbone.blocks;
      EXPECT_EQ(BlocksOf(options), (BlockRange{built.front().id, built.back().id})) << one.arch;
    }
  }
}

TEST(BackboneTest, ShortcutsAreProjectedAsAsked) {
  const auto has = [](const BackboneOptions& options, const std::string& node) {
    return Build(options).graph.FindNode(node) != nullptr;
  };
  BackboneOptions resnet{.arch = "resnet", .n_layers = 18};
  BackboneOptions mobilenet{.arch = "mobilenet_v2"};
  EXPECT_TRUE(has(resnet, "block_1b_conv_shortcut"));
  EXPECT_TRUE(has(mobilenet, "block_2_projected_inputs"));
  resnet.all_projections = mobilenet.all_projections = false;
  EXPECT_TRUE(has(resnet, "block_1a_conv_shortcut"));
  EXPECT_FALSE(has(resnet, "block_1b_conv_shortcut"));
  EXPECT_FALSE(has(mobilenet, "block_2_projected_inputs"));
  EXPECT_TRUE(has(mobilenet, "block_2_add"));
}

TEST(BackboneTest, PaddingIsSymmetricButInEfficientNets) {
  const auto pads = [](const BackboneOptions& options, int64_t size, const std::string& node) {
    return graph::IntsAttribute(*Build(options, size, size).graph.FindNode(node), "pads", {});
  };
  EXPECT_THAT(pads({.arch = "mobilenet_v1"}, 64, "conv1"), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(pads({.arch = "alexnet"}, 64, "conv1"), ElementsAre(5, 5, 5, 5));
  // Of an even size 3x3 with stride 2 needs one pixel more, behind; of an odd one a pixel on each
  // side.
  const BackboneOptions lite{.arch = "efficientnet_lite0"};
  EXPECT_THAT(pads(lite, 64, "stem_conv"), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(pads(lite, 65, "stem_conv"), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(pads(lite, 64, "block3a_dwconv"), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(pads(lite, 64, "block3b_dwconv"), ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(pads(lite, 64, "block2a_expand_conv"), ElementsAre(0, 0, 0, 0));
}

TEST(BackboneTest, EachFamilyHasItsActivationUnlessTold) {
  EXPECT_THAT(NodesOf(Build({.arch = "darknet", .n_layers = 19}).graph, "Relu"), IsEmpty());
  const graph::Graph relu =
      Build({.arch = "darknet", .n_layers = 19, .activation = Activation::kRelu}).graph;
  EXPECT_THAT(NodesOf(relu, "LeakyRelu"), IsEmpty());
  EXPECT_THAT(NodesOf(relu, "Relu"), IsSupersetOf({"conv1_lrelu", "b5_conv5_lrelu"}));

  const graph::Graph lite = Build({.arch = "efficientnet_lite0"}).graph;
  for (const char* op : {"Relu", "Sigmoid", "Mul", "GlobalAveragePool"}) {
    EXPECT_THAT(NodesOf(lite, op), IsEmpty()) << op;
  }
  EXPECT_EQ(lite.Initializer("relu6/max")->data<float>()[0], 6);
  const graph::Graph swish = Build({.arch = "efficientnet_b0"}).graph;
  EXPECT_THAT(NodesOf(swish, "Mul"), IsSupersetOf({"stem_activation", "block1a_se_excite"}));
  EXPECT_THAT(NodesOf(swish, "Relu"), IsEmpty());
}

TEST(BackboneTest, LayersBehindABackboneShareItsBounds) {
  graph::GraphBuilder builder("net");
  const FeatureMap input{builder.Input("Input", {-1, 3, 64, 64}), 3, 64, 64};
  const auto backbone = AddBackbone(builder, {.arch = "efficientnet_lite0"}, input);
  ASSERT_THAT(backbone, IsOk());
  const FeatureMap last =
      LayerWriter(builder, 0).Activate("last", backbone->output(), Activation::kRelu6);
  builder.Output(last.value, {-1, 1280, 2, 2});
  EXPECT_THAT(std::move(builder).Finish(), IsOk());
}

TEST(BackboneTest, NormalizationHasKerasNumbersUnlessTold) {
  const auto numbers = [](const BackboneOptions& options, const std::string& node) {
    const graph::Graph graph = Build(options).graph;
    const onnx::NodeProto& norm = *graph.FindNode(node);
    return std::vector<float>{graph::FloatAttribute(norm, "epsilon", 0),
                              graph::FloatAttribute(norm, "momentum", 0)};
  };
  BackboneOptions mobilenet{.arch = "mobilenet_v2"};
  EXPECT_THAT(numbers({.arch = "efficientnet_lite0"}, "stem_bn"), ElementsAre(1e-3f, 0.99f));
  EXPECT_THAT(numbers(mobilenet, "bn_conv1"), ElementsAre(1e-3f, 0.999f));
  mobilenet.batch_norm_epsilon = 1e-5f;
  mobilenet.batch_norm_momentum = 0.9f;
  EXPECT_THAT(numbers(mobilenet, "bn_conv1"), ElementsAre(1e-5f, 0.9f));
}

TEST(BackboneTest, WeightsFollowSeedAndNameAlone) {
  const auto kernel = [](const BackboneOptions& options) {
    const Tensor tensor = *Build(options).graph.Initializer("block_2a_conv_2/kernel");
    const auto values = tensor.data<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  const BackboneOptions options{.arch = "resnet", .n_layers = 10, .seed = 1};
  BackboneOptions deeper = options, other = options;
  deeper.n_layers = 18;
  other.seed = 2;
  EXPECT_EQ(kernel(options), kernel(deeper));
  EXPECT_NE(kernel(options), kernel(other));
}

TEST(BackboneTest, DepthwiseKernelsOfEfficientNetsAreDrawnAChannelAtATime) {
  const Tensor kernel =
      *Build({.arch = "efficientnet_b0"}).graph.Initializer("block7a_dwconv/kernel");
  EXPECT_THAT(kernel.shape(), ElementsAre(1152, 1, 3, 3));
  double squares = 0;
  for (const float w : kernel.data<float>()) squares += double{w} * w;
  const double expected = std::sqrt(2.0 / 9);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(kernel.size())), expected, 0.03 * expected);
}

TEST(BackboneTest, NamesWhatIsOffered) {
  EXPECT_THAT(CheckBackbone({.arch = "efficientnet_lite9"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("arch is 'efficientnet_lite9'; offered: alexnet, darknet"),
                             HasSubstr("did you mean 'efficientnet_lite"))));
  EXPECT_THAT(
      CheckBackbone({.arch = "resnet", .n_layers = 20, .total_stride = 8}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("n_layers is 20; 'resnet' is offered with 10, 18, 34, 50, 101"),
                     HasSubstr("total_stride is 8; expected 16 or 32"))));
  EXPECT_THAT(BuildBackbone({.arch = "resnext"}, 64, 64),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("arch is 'resnext'")));
}

TEST(BackboneTest, AnInputThatVanishesIsRefused) {
  EXPECT_THAT(BuildBackbone({.arch = "darknet", .n_layers = 19}, 40, 16),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("an input of 16 x 40 pixels is too small for 'darknet19': its "
                                 "layer 'maxpool_5' would have none")));
  EXPECT_THAT(BuildBackbone({.arch = "resnet", .n_layers = 10}, 1, 1), IsOk());
}

}  // namespace
}  // namespace trainyard::layers
