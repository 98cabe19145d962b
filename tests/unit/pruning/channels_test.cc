#include "libs/pruning/channels.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

/// A builder with short words for the layers that these tests are made of; all maps are 4 x 4.
class Net {
 public:
  Net() : builder_("net") { builder_.Input("Input", {-1, 8, 4, 4}); }

  std::string Conv(const std::string& name, const std::string& x, int64_t in = 8, int64_t out = 8) {
    return builder_.Conv(name, x, Wavy({out, in, 1, 1}), std::nullopt, {});
  }
  std::string Depthwise(const std::string& name, const std::string& x, int64_t channels = 8) {
    return builder_.Conv(name, x, Wavy({channels, 1, 3, 3}), std::nullopt,
                         {.pad = 1, .group = channels});
  }
  graph::GraphBuilder& operator()() { return builder_; }

  /// Ends the net with a convolution named "head" and traces it.
  ChannelMap Trace(const std::string& last, int64_t in = 8,
                   const std::set<std::string>& excluded = {}) {
    builder_.Output(Conv("head", last, in, 2), {-1, 2, 4, 4});
    graph_.emplace(*std::move(builder_).Finish());
    absl::StatusOr<ChannelMap> map = ChannelMap::Trace(*graph_, excluded);
    EXPECT_THAT(map, IsOk());
    return *std::move(map);
  }

 private:
  graph::GraphBuilder builder_;
  std::optional<graph::Graph> graph_;
};

/// The names of the layers that must keep the same channels, "!" behind those that keep all.
std::vector<std::string> GroupsOf(const ChannelMap& map) {
  std::vector<std::string> groups;
  for (const auto& members : map.Groups()) {
    std::string text;
    for (const int member : members) text += (text.empty() ? "" : "+") + map.layers()[member].name;
    groups.push_back(text + (map.IsFixed(members[0]) ? "!" : ""));
  }
  return groups;
}

TEST(ChannelMapTest, LayersInARowAreFreeAndTheHeadIsFixed) {
  Net net;
  const std::string x = net().Relu("relu", net.Conv("a", "Input"));
  EXPECT_THAT(GroupsOf(net.Trace(net.Conv("b", x))), ElementsAre("a", "b", "head!"));
}

TEST(ChannelMapTest, IdentityShortcutsChainTheBlocksOfAStage) {
  Net net;
  std::string x = net.Conv("first", "Input");
  for (const std::string unit : {"a", "b"}) {
    std::string y = net.Conv(unit + "1", x);
    y = net.Conv(unit + "2", net().Relu(unit + "_relu", y));
    x = net().Add(unit + "_add", y, x);
  }
  EXPECT_THAT(GroupsOf(net.Trace(x)), ElementsAre("first+a2+b2", "a1", "b1", "head!"));
}

TEST(ChannelMapTest, WhatIsAddedToTheInputStaysWhole) {
  Net net;
  EXPECT_THAT(GroupsOf(net.Trace(net().Add("sum", net.Conv("a", "Input"), "Input"))),
              ElementsAre("a!", "head!"));
}

TEST(ChannelMapTest, ExclusionSpreadsThroughAGroupAndNoFurther) {
  Net net;
  const std::string a = net.Conv("a", "Input"), b = net.Conv("b", "Input");
  const std::string c = net.Conv("c", net().Add("sum", a, b));
  EXPECT_THAT(GroupsOf(net.Trace(c, 8, {"b"})), ElementsAre("a+b!", "c", "head!"));
}

TEST(ChannelMapTest, ADepthwiseConvolutionAgreesWithItsProducer) {
  Net net;
  const std::string x = net.Depthwise("dw", net().Relu("relu", net.Conv("a", "Input")));
  const ChannelMap map = net.Trace(net.Conv("pw", x));
  EXPECT_THAT(GroupsOf(map), ElementsAre("a+dw", "pw", "head!"));
  ASSERT_EQ(map.depthwise().size(), 1u);
  EXPECT_EQ(map.depthwise()[0].first, "dw");
}

TEST(ChannelMapTest, ADepthwiseConvolutionOnTheInputIsFixed) {
  Net net;
  EXPECT_THAT(GroupsOf(net.Trace(net.Depthwise("dw", "Input"))), ElementsAre("dw!", "head!"));
}

TEST(ChannelMapTest, SqueezeAndExcitationBindsItsGateToTheMap) {
  Net net;
  const std::string x = net.Conv("a", "Input");
  std::string gate = net().Node("GlobalAveragePool", "pool", {x});
  gate = net.Conv("reduce", gate, 8, 4);
  gate = net().Node("Sigmoid", "sigmoid", {net.Conv("expand", gate, 4, 8)});
  EXPECT_THAT(GroupsOf(net.Trace(net().Node("Mul", "scale", {x, gate}))),
              ElementsAre("a+expand", "reduce", "head!"));
}

TEST(ChannelMapTest, AMapOfOneChannelServesAllAndStays) {
  Net net;
  const std::string x = net.Conv("a", "Input"), mask = net.Conv("mask", "Input", 8, 1);
  EXPECT_THAT(GroupsOf(net.Trace(net().Node("Mul", "masked", {x, mask}))),
              ElementsAre("a", "mask!", "head!"));
}

TEST(ChannelMapTest, BranchesOfAConcatAreIndependent) {
  Net net;
  const std::string a = net.Conv("a", "Input", 8, 3), b = net.Conv("b", "Input", 8, 5);
  const std::string both = net().Concat("both", {a, b, "Input"}, -3);
  const ChannelMap map = net.Trace(both, 16);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a", "b", "head!"));
  const auto of_head = std::find_if(map.slices().begin(), map.slices().end(), [](const auto& s) {
    return s.initializer == "head/kernel" && s.axis == 1;
  });
  ASSERT_NE(of_head, map.slices().end());
  EXPECT_EQ(of_head->channels, (Channels{{0, 3, 1}, {1, 5, 1}, {kFixedChannels, 8, 1}}));
}

TEST(ChannelMapTest, ConcatsOfTheSameBuildAreAddedBranchByBranch) {
  Net net;
  const auto pair = [&net](const std::string& n) {
    return net().Concat(n, {net.Conv(n + "1", "Input", 8, 3), net.Conv(n + "2", "Input", 8, 5)}, 1);
  };
  const std::string a = pair("a"), b = pair("b");
  const ChannelMap map = net.Trace(net.Depthwise("dw", net().Add("sum", a, b)));
  EXPECT_THAT(GroupsOf(map), ElementsAre("a1+b1", "a2+b2", "head!")) << "the depthwise one follows";
  EXPECT_THAT(map.kept(), IsEmpty());
}

TEST(ChannelMapTest, ConcatsOfAnotherBuildCannotBeAdded) {
  Net net;
  const std::string both =
      net().Concat("both", {net.Conv("a", "Input", 8, 3), net.Conv("b", "Input", 8, 5)}, 1);
  const ChannelMap map = net.Trace(net().Add("sum", both, net.Conv("c", "Input")));
  EXPECT_THAT(GroupsOf(map), ElementsAre("a!", "b!", "c!", "head!"));
  ASSERT_EQ(map.kept().size(), 1u);
  EXPECT_EQ(map.kept()[0].reason, "node 'sum' (Add) has no channel rule");
  EXPECT_THAT(map.kept()[0].layers, ElementsAre("a", "b", "c"));
}

TEST(ChannelMapTest, AConvolutionWithGroupsIsABarrier) {
  Net net;
  const std::string x = net.Conv("a", "Input");
  const std::string y = net().Conv("grouped", x, Wavy({8, 4, 1, 1}), std::nullopt, {.group = 2});
  const ChannelMap map = net.Trace(y);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a!", "head!"));
  ASSERT_EQ(map.kept().size(), 1u);
  EXPECT_EQ(map.kept()[0].reason,
            "node 'grouped' (Conv, group=2) has groups, which keep their places");
}

TEST(ChannelMapTest, AnExcludedBarrierKeepsWhatItReadsWhole) {
  Net net;
  const std::string x =
      net().Node("Softmax", "soft", {net.Conv("a", "Input")}, {{"axis", int64_t{1}}});
  const ChannelMap map = net.Trace(x, 8, {"soft"});
  EXPECT_THAT(GroupsOf(map), ElementsAre("a!", "head!"));
  EXPECT_THAT(map.kept(), IsEmpty()) << "it was asked for";
}

TEST(ChannelMapTest, WhatAGraphOutputShowsStaysWhole) {
  Net net;
  const std::string x = net().Relu("relu", net.Conv("a", "Input"));
  net().Output(x, {-1, 8, 4, 4});
  EXPECT_THAT(GroupsOf(net.Trace(net.Conv("b", x))), ElementsAre("a!", "b", "head!"));
}

TEST(ChannelMapTest, LayersThatShareAKernelKeepTheSameFilters) {
  Net net;
  const std::string x = net.Conv("a", "Input");
  const std::string y = net().Node("Conv", "twin", {"Input", "a/kernel"});
  const ChannelMap map = net.Trace(net().Concat("both", {x, y}, 1), 16);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a+twin", "head!"));
}

TEST(ChannelMapTest, ProducersThatFeedOneKernelKeepTheSameChannels) {
  Net net;
  const std::string a = net.Conv("a", "Input"), b = net.Conv("b", "Input");
  const std::string x = net.Conv("tower", a);
  const std::string y = net().Node("Conv", "twin", {b, "tower/kernel"});
  const ChannelMap map = net.Trace(net().Concat("both", {x, y}, 1), 16);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a+b", "tower+twin", "head!"));
}

TEST(ChannelMapTest, WeightsReadTheOtherWayRoundJoinEqualAxesOnly) {
  graph::GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 6});
  const std::string tied = builder.Initializer("tied", Wavy({6, 4}));
  const std::string wide =
      builder.Node("Gemm", "wide", {x, builder.Initializer("w", Wavy({6, 6}))});
  const std::string narrow = builder.Node("Gemm", "narrow", {builder.Relu("r1", wide), tied});
  const std::string back =
      builder.Node("Gemm", "back", {builder.Relu("r2", narrow), tied}, {{"transB", int64_t{1}}});
  const std::string head =
      builder.Node("Gemm", "head", {back, builder.Initializer("h", Wavy({6, 2}))});
  builder.Output(head, {-1, 2});
  const graph::Graph graph = *std::move(builder).Finish();
  const absl::StatusOr<ChannelMap> map = ChannelMap::Trace(graph, {});
  ASSERT_THAT(map, IsOk());
  EXPECT_THAT(GroupsOf(*map), ElementsAre("wide+back", "narrow", "head!"));
}

TEST(ChannelMapTest, AKernelBehindValuesOfAnotherBuildIsNotCut) {
  Net net;
  const std::string both =
      net().Concat("both", {net.Conv("a", "Input", 8, 3), net.Conv("b", "Input", 8, 5)}, 1);
  const std::string x = net.Conv("tower", both);
  const std::string y = net().Node("Conv", "twin", {net.Conv("c", "Input"), "tower/kernel"});
  const ChannelMap map = net.Trace(net().Concat("all", {x, y}, 1), 16);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a!", "b!", "tower!", "c!", "twin!", "head!"));
  ASSERT_EQ(map.kept().size(), 1u);
  EXPECT_THAT(map.kept()[0].reason, HasSubstr("'tower/kernel' have readers that need different"));
}

TEST(ChannelMapTest, AWeightThatSomebodyReadsWholeIsNotCut) {
  Net net;
  const std::string a = net.Conv("a", "Input");
  const std::string b = net.Conv("b", a);
  const std::string gram = net().Node("Softmax", "gram", {"b/kernel"}, {{"axis", int64_t{0}}});
  net().Output(gram, {8, 8, 1, 1});
  const ChannelMap map = net.Trace(b);
  EXPECT_THAT(GroupsOf(map), ElementsAre("a!", "b!", "head!"));
  ASSERT_EQ(map.kept().size(), 1u);
  EXPECT_THAT(map.kept()[0].reason, HasSubstr("'b/kernel' have readers that need different parts"));
}

/// Resize and Pad of the two first axes are no business of channels that may be cut.
TEST(ChannelMapTest, ResizeAndPadPassChannelsOnOnlyWhenTheyLeaveThemAlone) {
  const auto groups = [](const std::string& op, const std::string& second, const Tensor& values) {
    Net net;
    std::vector<std::string> inputs = {net.Conv("a", "Input")};
    if (!second.empty()) inputs.push_back("");
    inputs.push_back(net().Initializer("values", values));
    const std::string x = net().Node(op, "n", inputs);
    const int64_t wide = op == "Pad" && values.data<int64_t>()[1] == 2 ? 10 : 8;
    const bool resized = op == "Resize" && values.data<float>()[1] == 2;
    net().Output(net.Conv("last", x, resized ? 16 : wide, 2), {-1, 2, -1, -1});
    return GroupsOf(net.Trace("Input"));
  };
  const auto scales = [](std::vector<float> s) { return Tensor::Of<float>({4}, s); };
  const auto pads = [](std::vector<int64_t> p) { return Tensor::Of<int64_t>({8}, p); };
  EXPECT_THAT(groups("Resize", "roi", scales({1, 1, 2, 2})), ElementsAre("a", "last!", "head!"));
  EXPECT_THAT(groups("Resize", "roi", scales({1, 2, 1, 1})), ElementsAre("a!", "last!", "head!"));
  EXPECT_THAT(groups("Pad", "", pads({0, 0, 1, 1, 0, 0, 1, 1})),
              ElementsAre("a", "last!", "head!"));
  EXPECT_THAT(groups("Pad", "", pads({0, 2, 0, 0, 0, 0, 0, 0})),
              ElementsAre("a!", "last!", "head!"));
}

TEST(ChannelMapTest, ReshapesThatMoveChannelsKeepThemAndOthersPassThemOn) {
  const auto groups = [](const Shape& target, const Shape& back) {
    Net net;
    const std::string x = net().Reshape("there", net.Conv("a", "Input"), target);
    return GroupsOf(net.Trace(net().Reshape("back", net().Relu("relu", x), back)));
  };
  EXPECT_THAT(groups({0, -1}, {0, 8, 4, 4}), ElementsAre("a!", "head!")) << "not undone by a rule";
  EXPECT_THAT(groups({0, 8, 16}, {0, 8, 4, 4}), ElementsAre("a", "head!"));
  EXPECT_THAT(groups({-1, 8, 16, 1}, {0, 0, 4, 4}), ElementsAre("a", "head!"));
  EXPECT_THAT(groups({0, 4, 2, 16}, {0, 8, 4, 4}), ElementsAre("a!", "head!"));
  EXPECT_THAT(groups({0, 16, 8}, {0, 8, 4, 4}), ElementsAre("a!", "head!"));
  EXPECT_THAT(groups({8, -1, 4, 4}, {-1, 8, 4, 4}), ElementsAre("a!", "head!"));
}

TEST(ChannelMapTest, WhereTheNumberOfChannelsIsNotKnownTheyStayWhole) {
  graph::GraphBuilder builder("net");
  std::string x = builder.Conv("a", builder.Input("Input", {-1, 8, -1, -1}), Wavy({8, 8, 1, 1}),
                               std::nullopt, {});
  x = builder.Node("Flatten", "flat", {x});
  const std::string scaled =
      builder.Node("Mul", "scaled", {x, builder.Initializer("by", Wavy({128}))});
  builder.Output(scaled, {-1, 128});
  x = builder.Node("MatMul", "dense", {x, builder.Initializer("dense/kernel", Wavy({128, 6}))});
  builder.Output(builder.Node("Gemm", "head", {x, builder.Initializer("w", Wavy({6, 2}))}),
                 {-1, 2});
  const graph::Graph graph = *std::move(builder).Finish();
  const absl::StatusOr<ChannelMap> map = ChannelMap::Trace(graph, {});
  ASSERT_THAT(map, IsOk());
  EXPECT_THAT(GroupsOf(*map), ElementsAre("a!", "dense", "head!"));
  ASSERT_EQ(map->kept().size(), 1u);
  EXPECT_THAT(map->kept()[0].reason, HasSubstr("reads 'a', whose shape is not known"));
}

TEST(ChannelMapTest, WeightsThatDoNotFitNameTheNode) {
  graph::GraphBuilder builder("net");
  const std::string x =
      builder.Conv("a", builder.Input("Input", {-1, 8, 4, 4}), Wavy({8, 8, 1, 1}), Wavy({7}), {});
  builder.Output(x, {-1, 8, 4, 4});
  const graph::Graph graph = *std::move(builder).Finish();
  EXPECT_THAT(ChannelMap::Trace(graph, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("node 'a' (Conv): 'a/bias' has shape [7]; expected 8 places")));
}

}  // namespace
}  // namespace trainyard::pruning
