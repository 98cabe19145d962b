#include <algorithm>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/pruning/prune.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::IsOk;

Model Ssd(int depth) {
  return {std::move(networks::BuildSsd({.depth = depth, .classes = 3}, 42)->graph), {}};
}

std::map<std::string, std::vector<std::string>> GroupsOf(const PruneResult& result) {
  std::map<std::string, std::vector<std::string>> groups;
  for (const PrunedLayer& layer : result.layers) groups[layer.group].push_back(layer.name);
  return groups;
}

TEST(SsdPruningTest, CouplesOnlyTheTwoEndsOfEachUnit) {
  absl::StatusOr<PruneResult> result = Prune(Ssd(10), {});
  ASSERT_THAT(result, IsOk());
  std::vector<std::vector<std::string>> coupled;
  for (const auto& [first, members] : GroupsOf(*result)) {
    if (members.size() > 1) coupled.push_back(members);
  }
  EXPECT_THAT(coupled,
              UnorderedElementsAre(ElementsAre("block_1a_conv_2", "block_1a_conv_shortcut"),
                                   ElementsAre("block_2a_conv_2", "block_2a_conv_shortcut"),
                                   ElementsAre("block_3a_conv_2", "block_3a_conv_shortcut"),
                                   ElementsAre("block_4a_conv_2", "block_4a_conv_shortcut")));
  // conv1, four units of three, four expansion blocks of two, six pairs of heads.
  EXPECT_EQ(result->layers.size(), 1u + 12 + 8 + 12);
}

TEST(SsdPruningTest, OnlyTheHeadsAreFixed) {
  absl::StatusOr<PruneResult> result = Prune(Ssd(18), {.threshold = 0.95});
  ASSERT_THAT(result, IsOk());
  for (const PrunedLayer& layer : result->layers) {
    const bool head = layer.name.rfind("ssd_conf", 0) == 0 || layer.name.rfind("ssd_loc", 0) == 0;
    EXPECT_EQ(layer.fixed, head) << layer.name;
    EXPECT_TRUE(!head || layer.channels_before == layer.channels_after) << layer.name;
  }
}

TEST(SsdPruningTest, ThePrunedGraphIsWholeAndAnswersInTheSameShape) {
  const Model model = Ssd(10);
  // Above every score all layers shrink to the minimum: 16, a multiple of 8.
  absl::StatusOr<PruneResult> result = Prune(model, {.threshold = 1});
  ASSERT_THAT(result, IsOk());
  const graph::Graph& graph = result->model.graph;
  ASSERT_THAT(graph.Check(), IsOk());
  const auto shapes = graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("mbox_conf"), ElementsAre(-1, 8744, 4));
  EXPECT_THAT(shapes->at("mbox_loc"), ElementsAre(-1, 8744, 4));
  EXPECT_THAT(shapes->at("block_4a_relu"), ElementsAre(-1, 16, 19, 19));
  EXPECT_THAT(graph.Initializer("ssd_conf_1/kernel")->shape(), ElementsAre(24, 16, 3, 3));
  EXPECT_THAT(graph.Initializer("bn_conv1/moving_variance")->shape(), ElementsAre(16));
  EXPECT_THAT(graph.Initializer("ssd_expand_block_1_conv_0/bias")->shape(), ElementsAre(16));
  EXPECT_EQ(graph.nodes().size(), model.graph.nodes().size());
  EXPECT_EQ(graph.InitializerNames(), model.graph.InitializerNames());
  EXPECT_LT(result->ratio, 0.05);
  EXPECT_LT(*result->macs_after, *result->macs_before / 4);
}

TEST(SsdPruningTest, CountsKeepTheirPromises) {
  for (const int64_t granularity : {1, 8, 24}) {
    PruneOptions options{.granularity = granularity, .threshold = 0.93, .min_filters = 20};
    absl::StatusOr<PruneResult> result = Prune(Ssd(10), options);
    ASSERT_THAT(result, IsOk());
    EXPECT_LT(result->ratio, 1);
    for (const PrunedLayer& layer : result->layers) {
      EXPECT_GE(layer.channels_after, std::min<int64_t>(20, layer.channels_before)) << layer.name;
      EXPECT_TRUE(layer.channels_after % granularity == 0 ||
                  layer.channels_after == layer.channels_before)
          << layer.name << " keeps " << layer.channels_after;
    }
  }
}

// Heads read several maps of a backbone; no node keeps channels from being cut, which a warning would
// tell.
TEST(SsdPruningTest, HalfOfEveryBackboneCanGo) {
  for (const networks::SsdArchitecture& ssd : testing::SmallSsds()) {
    SCOPED_TRACE(ssd.arch);
    const Model model = testing::SsdModel(ssd, {"car", "person"});
    PruneOptions half{.min_filters = 8};
    const absl::StatusOr<double> threshold = ThresholdForRatio(model, half, 0.5);
    ASSERT_THAT(threshold, IsOk());
    half.threshold = *threshold;
    const absl::StatusOr<PruneResult> pruned = Prune(model, half);
    ASSERT_THAT(pruned, IsOk());
    EXPECT_THAT(pruned->warnings, IsEmpty());
    EXPECT_LE(pruned->ratio, 0.5);
    for (const PrunedLayer& layer : pruned->layers) {
      const bool head = layer.name.rfind("ssd_conf", 0) == 0 || layer.name.rfind("ssd_loc", 0) == 0;
      EXPECT_EQ(layer.fixed, head) << layer.name;
    }
    const auto before = model.graph.InferShapes();
    const auto after = pruned->model.graph.InferShapes();
    ASSERT_THAT(before, IsOk());
    ASSERT_THAT(after, IsOk());
    for (const char* output : {"mbox_conf", "mbox_loc"}) {
      EXPECT_EQ(after->at(output), before->at(output));
    }
  }
}

/// Silences filters of a layer: no weights, and no shift in the normalization behind.
void Silence(graph::Graph& graph, const std::string& conv, const std::string& norm, int64_t every) {
  const std::vector<std::string> names = {conv + "/kernel", norm + "/beta", norm + "/moving_mean"};
  for (const std::string& name : names) {
    Tensor tensor = *graph.Initializer(name);
    const int64_t per_filter = tensor.size() / tensor.dim(0);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (i / per_filter % every == 0) tensor.data<float>()[i] = 0;
    }
    ASSERT_THAT(graph.SetInitializer(name, tensor), IsOk());
  }
}

TEST(SsdPruningTest, RemovingSilentFiltersChangesNoOutput) {
  Model model = testing::SmallSsd();
  Silence(model.graph, "conv1", "bn_conv1", 2);
  Silence(model.graph, "block_2a_conv_1", "block_2a_bn_1", 4);
  Silence(model.graph, "block_3a_conv_2", "block_3a_bn_2", 2);
  Silence(model.graph, "block_3a_conv_shortcut", "block_3a_bn_shortcut", 2);
  Silence(model.graph, "ssd_expand_block_2_conv_1", "ssd_expand_block_2_bn_1", 2);
  absl::StatusOr<PruneResult> result = Prune(model, {.threshold = 0});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->model.graph.Initializer("conv1/kernel")->dim(0), 32);
  EXPECT_EQ(result->model.graph.Initializer("block_2a_conv_1/kernel")->dim(0), 96);
  EXPECT_EQ(result->model.graph.Initializer("block_3a_conv_shortcut/kernel")->dim(0), 128);

  Tensor picture = testing::Wavy({1, 3, 128, 128});
  for (float& v : picture.data<float>()) v *= 60;
  const auto before = testing::RunOnnxruntime(model.graph, picture);
  const auto after = testing::RunOnnxruntime(result->model.graph, picture);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  for (int i = 0; i < 2; ++i) EXPECT_LT(testing::MaxDifference((*before)[i], (*after)[i]), 1e-3);
}

}  // namespace
}  // namespace trainyard::pruning
