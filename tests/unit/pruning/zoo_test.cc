#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pruning/prune.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::pruning {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsSilent;
using ::trainyard::testing::MaxDifference;
using ::trainyard::testing::OracleJob;
using ::trainyard::testing::RunOnnxruntime;
using ::trainyard::testing::Wavy;
using ::trainyard::testing::Zoo;
using ::trainyard::testing::ZooGraph;
using ::trainyard::testing::ZooWeights;

/// What becomes of a family: the layers that keep all their filters beside the heads, and why.
struct Outcome {
  std::set<std::string> whole;
  std::string reason;
};

/// Families that are not here lose every silent filter.
Outcome OutcomeOf(const std::string& family) {
  static const auto& outcomes = *new std::map<std::string, Outcome>{
      {"grouped convolution", {{"a"}, "node 'grouped' (Conv, group=4) has groups"}},
      {"channel shuffle", {{"a"}, "node 'split_groups' (Reshape) has no channel rule"}},
      {"cross-stage partial", {{"a"}, "node 'split' (Split) has no channel rule"}},
      {"cross-stage partial of opset 12", {{"a"}, "node 'split' (Split) has no channel rule"}},
      {"if bodies", {{"a"}, "node 'choose' (If) reads them in a body"}},
  };
  const auto it = outcomes.find(family);
  return it == outcomes.end() ? Outcome{} : it->second;
}

Model Load(const ZooGraph& zoo, ZooWeights weights) {
  absl::StatusOr<graph::Graph> graph = graph::Graph::Parse(zoo.build(weights).SerializeAsString());
  EXPECT_THAT(graph, IsOk()) << zoo.name;
  EXPECT_THAT(graph->Check(), IsOk()) << zoo.name;
  return {*std::move(graph), {}};
}

void ExpectSameOutputs(const std::vector<OracleJob>& pairs, double tolerance) {
  const auto outputs = RunOnnxruntime(pairs);
  ASSERT_THAT(outputs, IsOk());
  for (size_t i = 0; i < pairs.size(); i += 2) {
    ASSERT_EQ((*outputs)[i].size(), (*outputs)[i + 1].size()) << Zoo()[i / 2].name;
    ASSERT_FALSE((*outputs)[i].empty());
    for (size_t k = 0; k < (*outputs)[i].size(); ++k) {
      EXPECT_LE(MaxDifference((*outputs)[i][k], (*outputs)[i + 1][k]), tolerance)
          << Zoo()[i / 2].name;
    }
  }
}

TEST(ZooTest, EveryNetworkComputesTheSameAfterLoading) {
  std::vector<OracleJob> pairs;
  for (const ZooGraph& zoo : Zoo()) {
    const Tensor picture = Wavy({2, 3, 16, 16});
    pairs.push_back({zoo.build(ZooWeights::kFull).SerializeAsString(), picture});
    pairs.push_back({Load(zoo, ZooWeights::kFull).graph.Serialize(), picture});
  }
  ExpectSameOutputs(pairs, 0);
}

/// The proof that every weight is cut where it must be: filters that make nothing go, by
/// onnxruntime no output changes, and exactly the layers that must stay whole do.
TEST(ZooTest, FiltersThatMakeNothingGoAndNoOutputChanges) {
  std::vector<OracleJob> pairs;
  for (const ZooGraph& zoo : Zoo()) {
    SCOPED_TRACE(zoo.name);
    const Model model = Load(zoo, ZooWeights::kSilent);
    const absl::StatusOr<PruneResult> result =
        Prune(model, {.granularity = 1, .threshold = 0, .min_filters = 1});
    ASSERT_THAT(result, IsOk());
    const Outcome outcome = OutcomeOf(zoo.name);
    for (const PrunedLayer& layer : result->layers) {
      int64_t silent = 0;
      for (int64_t c = 0; c < layer.channels_before; ++c) silent += IsSilent(c);
      const bool whole = layer.name.rfind("head", 0) == 0 || outcome.whole.contains(layer.name);
      EXPECT_EQ(layer.channels_after, layer.channels_before - (whole ? 0 : silent)) << layer.name;
    }
    if (outcome.reason.empty()) {
      EXPECT_THAT(result->warnings, IsEmpty());
    } else {
      EXPECT_THAT(result->warnings, Contains(HasSubstr(outcome.reason)));
      EXPECT_THAT(result->warnings, Contains(HasSubstr("'a' keeps all channels")));
    }
    const Tensor picture = Wavy({2, 3, 16, 16});
    pairs.push_back({model.graph.Serialize(), picture});
    pairs.push_back({result->model.graph.Serialize(), picture});
  }
  ExpectSameOutputs(pairs, 2e-5);
}

TEST(ZooTest, APrunedNetworkIsANetworkLikeAnyOther) {
  for (const ZooGraph& zoo : Zoo()) {
    SCOPED_TRACE(zoo.name);
    const absl::StatusOr<PruneResult> once =
        Prune(Load(zoo, ZooWeights::kFull), {.granularity = 1, .threshold = 0.6, .min_filters = 2});
    ASSERT_THAT(once, IsOk());
    EXPECT_LT(once->ratio, 1);
    EXPECT_THAT(graph::Graph::Parse(once->model.graph.Serialize()), IsOk());
    EXPECT_TRUE(once->macs_after.has_value());
    EXPECT_THAT(Prune(once->model, {.granularity = 1, .threshold = 0.9, .min_filters = 1}), IsOk());
  }
}

}  // namespace
}  // namespace trainyard::pruning
