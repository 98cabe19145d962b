#include "libs/pruning/prune.h"

#include <algorithm>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::MaxDifference;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

/// A 1 x 1 kernel whose filters have the given norms: all in the first input channel.
Tensor KernelOf(int64_t in, const std::vector<float>& norms) {
  Tensor kernel = Tensor::Zeros(DType::kFloat32, {static_cast<int64_t>(norms.size()), in, 1, 1});
  for (size_t c = 0; c < norms.size(); ++c) kernel.data<float>()[c * in] = norms[c];
  return kernel;
}

graph::BatchNormParameters PlainNorm(int64_t channels) {
  return {.gamma = Wavy({channels}, 1),
          .beta = Tensor::Zeros(DType::kFloat32, {channels}),
          .mean = Tensor::Zeros(DType::kFloat32, {channels}),
          .variance = Tensor::Of<float>({channels}, std::vector<float>(channels, 1.0f))};
}

/// The mini network of the reference: A, then B and a shortcut S that are added, then a head.
Model MiniNetwork() {
  graph::GraphBuilder builder("mini");
  std::string x = builder.Input("Input", {-1, 3, 2, 2});
  x = builder.Conv("A", x, KernelOf(3, {4, 1, 3, 0.5f}), Wavy({4}), {});
  x = builder.Relu("A_relu", builder.BatchNorm("A_bn", x, PlainNorm(4)));
  std::string b = builder.Conv("B", x, KernelOf(4, {2, 6, 1, 3}), std::nullopt, {});
  b = builder.BatchNorm("B_bn", b, PlainNorm(4));
  std::string s = builder.Conv("S", x, KernelOf(4, {5, 1, 4, 0.5f}), std::nullopt, {});
  s = builder.BatchNorm("S_bn", s, PlainNorm(4));
  x = builder.Relu("relu", builder.Add("add", b, s));
  builder.Output(builder.Conv("Head", x, Wavy({2, 4, 1, 1}), Wavy({2}), {}), {-1, 2, 2, 2});
  return {*std::move(builder).Finish(), {}};
}

PruneOptions Fine(double threshold, Equalization equalization = Equalization::kUnion) {
  return {.equalization = equalization, .granularity = 1, .threshold = threshold, .min_filters = 0};
}

int64_t Kept(const PruneResult& result, const std::string& layer) {
  for (const PrunedLayer& row : result.layers) {
    if (row.name == layer) return row.channels_after;
  }
  return -1;
}

class MiniNetworkTest : public ::testing::Test {
 protected:
  PruneResult Run(Equalization how) {
    PruneOptions options{.equalization = how, .granularity = 2, .threshold = 0.5, .min_filters = 1};
    options.excluded_layers = {"Head"};
    absl::StatusOr<PruneResult> result = Prune(MiniNetwork(), options);
    EXPECT_THAT(result, IsOk());
    return *std::move(result);
  }
};

TEST_F(MiniNetworkTest, UnionKeepsAllOfThePair) {
  const PruneResult result = Run(Equalization::kUnion);
  EXPECT_EQ(result.parameters_before, 106);
  EXPECT_EQ(result.parameters_after, 74);
  EXPECT_NEAR(result.ratio, 0.69811320754, 1e-10);
  EXPECT_EQ(Kept(result, "A"), 2);
  EXPECT_EQ(Kept(result, "B"), 4);
  EXPECT_TRUE(result.model.record.training().pruned());
  // A keeps filters 0 and 2: norms 4 and 3.
  const Tensor kernel = *result.model.graph.Initializer("A/kernel");
  EXPECT_THAT(kernel.data<float>(), ElementsAre(4, 0, 0, 3, 0, 0));
}

TEST_F(MiniNetworkTest, TheOtherCriteriaKeepTwo) {
  const std::vector<std::pair<Equalization, std::vector<float>>> cases = {
      {Equalization::kIntersection, {2, 6}},  // {0, 1} of B
      {Equalization::kArithmeticMean, {2, 6}},
      {Equalization::kGeometricMean, {2, 6}}};
  for (const auto& [how, norms_of_b] : cases) {
    const PruneResult result = Run(how);
    EXPECT_EQ(result.parameters_after, 46);
    EXPECT_NEAR(result.ratio, 0.43396226415, 1e-10);
    const Tensor b = *result.model.graph.Initializer("B/kernel");
    EXPECT_THAT(b.shape(), ElementsAre(2, 2, 1, 1));
    EXPECT_THAT(b.data<float>(), ElementsAre(norms_of_b[0], 0, norms_of_b[1], 0));
    EXPECT_EQ(result.model.graph.Initializer("Head/kernel")->dim(1), 2);
    EXPECT_EQ(result.model.graph.Initializer("B_bn/gamma")->size(), 2);
  }
}

TEST_F(MiniNetworkTest, TellsWhatBecameOfEachLayer) {
  const PruneResult result = Run(Equalization::kIntersection);
  ASSERT_EQ(result.layers.size(), 4u);
  EXPECT_EQ(result.layers[1].name, "B");
  EXPECT_EQ(result.layers[2].name, "S");
  EXPECT_EQ(result.layers[2].group, "B");
  EXPECT_EQ(result.layers[2].channels_before, 4);
  EXPECT_EQ(result.layers[2].channels_after, 2);
  EXPECT_TRUE(result.layers[3].fixed);
  // 4 places; A 3x4, B and S 4x4, Head 4x2 before; 3x2, 2x2, 2x2, 2x2 after.
  EXPECT_EQ(result.macs_before, 4 * (12 + 16 + 16 + 8));
  EXPECT_EQ(result.macs_after, 4 * (6 + 4 + 4 + 4));
}

TEST(PruneTest, BelowEveryScoreNothingChanges) {
  const Model model = MiniNetwork();
  absl::StatusOr<PruneResult> result = Prune(model, Fine(-0.1));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->ratio, 1);
  EXPECT_EQ(result->model.graph.Serialize(), model.graph.Serialize());
  EXPECT_FALSE(result->model.record.training().pruned());
}

TEST(PruneTest, AnExcludedLayerKeepsItsFiltersAndLosesItsInputs) {
  PruneOptions options = Fine(0.5, Equalization::kIntersection);
  options.excluded_layers = {"S"};
  absl::StatusOr<PruneResult> result = Prune(MiniNetwork(), options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->model.graph.Initializer("S/kernel")->shape(), (Shape{4, 2, 1, 1}));
  EXPECT_EQ(result->model.graph.Initializer("B/kernel")->shape(), (Shape{4, 2, 1, 1}));
}

TEST(PruneTest, AnUnknownExcludedNameIsAWarningWithTheNearestOne) {
  PruneOptions options = Fine(0.5);
  options.excluded_layers = {"Haed", "A"};
  absl::StatusOr<PruneResult> result = Prune(MiniNetwork(), options);
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->warnings.size(), 1u);
  EXPECT_THAT(result->warnings[0], HasSubstr("names 'Haed', which the model does not have"));
  EXPECT_EQ(Kept(*result, "A"), 4);
}

TEST(PruneTest, NamesEveryOptionThatIsWrong) {
  const PruneOptions options{.granularity = 0, .threshold = NAN, .min_filters = -3};
  EXPECT_THAT(Prune(MiniNetwork(), options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("granularity is 0"), HasSubstr("threshold is nan"),
                             HasSubstr("min_num_filters is -3"))));
}

/// Sets the filters of a convolution that an odd number divides to zero: they then make nothing.
void Kill(graph::Graph& graph, const std::string& kernel, const std::vector<int64_t>& filters,
          int64_t axis = 0) {
  Tensor tensor = *graph.Initializer(kernel);
  int64_t inner = 1;
  for (int64_t i = axis + 1; i < tensor.rank(); ++i) inner *= tensor.dim(i);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const int64_t filter = i / inner % tensor.dim(axis);
    if (std::count(filters.begin(), filters.end(), filter) > 0) tensor.data<float>()[i] = 0;
  }
  ASSERT_THAT(graph.SetInitializer(kernel, tensor), IsOk());
}

/// With threshold 0 exactly the dead filters go, and as they made nothing, the outputs stay.
TEST(PruneTest, RemovingFiltersThatMakeNothingChangesNoOutput) {
  graph::GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 6, 6});
  x = builder.Conv("a", x, Wavy({6, 3, 3, 3}), std::nullopt, {.stride = 2, .pad = 1});
  x = builder.Relu("a_relu", builder.BatchNorm("a_bn", x, PlainNorm(6)));
  std::string d =
      builder.Conv("dw", x, Wavy({6, 1, 3, 3}, 2), std::nullopt, {.pad = 1, .group = 6});
  d = builder.Conv("pw", d, Wavy({5, 6, 1, 1}, 3), std::nullopt, {});
  const std::string e = builder.Conv("e", x, Wavy({4, 6, 1, 1}, 4), std::nullopt, {});
  x = builder.MaxPool("pool", builder.Concat("both", {d, e}, 1), 2, {.stride = 1});
  x = builder.Node("Mul", "scaled", {x, builder.Initializer("scale", Wavy({9, 1, 1}, 5))});
  x = builder.Node("Flatten", "flat", {x}, {{"axis", int64_t{1}}});
  x = builder.Relu(
      "fc1_relu",
      builder.Node("Gemm", "fc1", {x, builder.Initializer("fc1/kernel", Wavy({36, 7}, 6))}));
  x = builder.Node("Gemm", "fc2",
                   {x, builder.Initializer("fc2/kernel", Wavy({3, 7}, 7)),
                    builder.Initializer("fc2/bias", Wavy({3}, 8))},
                   {{"transB", int64_t{1}}});
  builder.Output(x, {-1, 3});
  Model model{*std::move(builder).Finish(), {}};
  Kill(model.graph, "a/kernel", {1, 4});
  Kill(model.graph, "dw/kernel", {1, 4});
  Kill(model.graph, "pw/kernel", {0, 3});
  Kill(model.graph, "e/kernel", {3});
  Kill(model.graph, "fc1/kernel", {2, 6}, 1);

  absl::StatusOr<PruneResult> result = Prune(model, Fine(0));
  ASSERT_THAT(result, IsOk());
  const graph::Graph& pruned = result->model.graph;
  EXPECT_EQ(pruned.Initializer("a/kernel")->dim(0), 4);
  EXPECT_EQ(pruned.Initializer("dw/kernel")->shape(), (Shape{4, 1, 3, 3}));
  EXPECT_EQ(graph::IntAttribute(*pruned.FindNode("dw"), "group", 0), 4);
  EXPECT_EQ(pruned.Initializer("scale")->shape(), (Shape{6, 1, 1}));
  EXPECT_EQ(pruned.Initializer("fc1/kernel")->shape(), (Shape{24, 5}));
  EXPECT_EQ(pruned.Initializer("fc2/kernel")->shape(), (Shape{3, 5}));

  const Tensor input = Wavy({2, 3, 6, 6}, 9);
  EXPECT_LT(MaxDifference(GraphInterpreter(model.graph).Run("Input", input, "fc2"),
                          GraphInterpreter(pruned).Run("Input", input, "fc2")),
            1e-5);
}

Model ReshapedNetwork() {
  graph::GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 2, 2});
  x = builder.Conv("first", x, KernelOf(3, {4, 1, 3, 0.5f}), std::nullopt, {});
  x = builder.Conv("a", x, KernelOf(4, {4, 1, 3, 0.5f}), std::nullopt, {});
  x = builder.Transpose("permute", builder.Relu("relu", x), {0, 2, 3, 1});
  x = builder.Transpose("back", x, {0, 3, 1, 2});
  builder.Output(builder.Conv("Head", x, Wavy({2, 4, 1, 1}), Wavy({2}), {}), {-1, 2, 2, 2});
  return {*std::move(builder).Finish(), {}};
}

TEST(PruneTest, ANodeWithoutARuleKeepsWhatItReadsWholeAndIsNamed) {
  const absl::StatusOr<PruneResult> result = Prune(ReshapedNetwork(), Fine(0.5));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(Kept(*result, "a"), 4);
  EXPECT_EQ(Kept(*result, "first"), 2) << "the rest of the model is pruned all the same";
  EXPECT_THAT(
      result->warnings,
      ElementsAre("'a' keeps all channels: node 'permute' (Transpose) has no channel rule"));
}

TEST(PruneTest, ListingThatNodeSilencesTheWarning) {
  PruneOptions options = Fine(0.5);
  options.excluded_layers = {"permute"};
  absl::StatusOr<PruneResult> result = Prune(ReshapedNetwork(), options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(Kept(*result, "a"), 4);
  EXPECT_EQ(Kept(*result, "first"), 2);
  EXPECT_THAT(result->warnings, IsEmpty());
}

TEST(PruneTest, TaosListOfHeadsIsKeptWholeWhereverItStands) {
  for (const std::string name : {"ssd_conf_0", "ssd_loc_5", "conv_mid_object", "plain"}) {
    graph::GraphBuilder builder("net");
    std::string x = builder.Input("Input", {-1, 3, 2, 2});
    x = builder.Conv(name, x, KernelOf(3, {4, 1, 3, 0.5f}), std::nullopt, {});
    x = builder.Conv("b", x, KernelOf(4, {4, 1, 3, 0.5f}), std::nullopt, {});
    builder.Output(builder.Conv("Head", x, Wavy({2, 4, 1, 1}), Wavy({2}), {}), {-1, 2, 2, 2});
    const absl::StatusOr<PruneResult> result = Prune({*std::move(builder).Finish(), {}}, Fine(0.5));
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(Kept(*result, name), name == "plain" ? 2 : 4) << name;
    EXPECT_EQ(Kept(*result, "b"), 2);
  }
}

TEST(PruneTest, NoLayerIsLeftWithoutChannels) {
  PruneOptions options = Fine(1);  // nothing is above 1, and min_filters is 0
  absl::StatusOr<PruneResult> result = Prune(MiniNetwork(), options);
  ASSERT_THAT(result, IsOk());
  for (const PrunedLayer& layer : result->layers) EXPECT_GE(layer.channels_after, 1) << layer.name;
  EXPECT_EQ(Kept(*result, "A"), 1);
}

TEST(PruneTest, WeightsThatAreNotFiniteAreRefusedByNodeAndName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"A/kernel", "node 'A' has inf among its weights 'A/kernel'"},
      {"B_bn/moving_variance", "node 'B_bn' has inf among its weights 'B_bn/moving_variance'"},
      {"Head/kernel", "node 'Head' has inf among its weights 'Head/kernel'"}};
  for (const auto& [weights, message] : cases) {
    Model model = MiniNetwork();
    Tensor tensor = *model.graph.Initializer(weights);
    tensor.data<float>()[tensor.size() - 1] = INFINITY;
    ASSERT_THAT(model.graph.SetInitializer(weights, tensor), IsOk());
    EXPECT_THAT(Prune(model, Fine(0.5)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(PruneTest, HalfPrecisionIsRefusedWithAWayOn) {
  Model model = MiniNetwork();
  onnx::GraphProto& graph = *model.graph.mutable_proto().mutable_graph();
  for (auto& tensor : *graph.mutable_initializer()) {
    tensor.set_data_type(onnx::TensorProto::FLOAT16);
    tensor.mutable_raw_data()->resize(tensor.raw_data().size() / 2);
  }
  for (auto* values : {graph.mutable_input(), graph.mutable_output()}) {
    values->Mutable(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
        onnx::TensorProto::FLOAT16);
  }
  EXPECT_THAT(Prune(model, Fine(0.5)),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("tensor 'A/kernel'"), HasSubstr("FLOAT16"),
                             HasSubstr("Export the model in float32"))));
}

TEST(PruneTest, AReshapeThatMakesTwoRowsOfAnImageKeepsItsChannels) {
  graph::GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 1, 1});
  x = builder.Conv("a", x, KernelOf(3, {4, 1, 3, 0.5f}), std::nullopt, {});
  x = builder.Reshape("halves", x, {-1, 2});
  x = builder.Node("Gemm", "fc", {x, builder.Initializer("fc/kernel", Wavy({2, 3}))});
  builder.Output(x, {-1, 3});
  const absl::StatusOr<PruneResult> result = Prune({*std::move(builder).Finish(), {}}, Fine(0.5));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(Kept(*result, "a"), 4);
}

TEST(PruneTest, AReshapeThatCountsChannelsFollows) {
  graph::GraphBuilder builder("net");
  std::string x = builder.Input("Input", {1, 3, 2, 2});
  x = builder.Conv("a", x, KernelOf(3, {4, 1, 3, 0.5f}), std::nullopt, {});
  x = builder.Reshape("plane", x, {1, 4, 4});
  x = builder.Reshape("rows", builder.Relu("relu", x), {1, 16});
  x = builder.Node("Gemm", "fc", {x, builder.Initializer("fc/kernel", Wavy({16, 3}))});
  builder.Output(x, {1, 3});
  Model model{*std::move(builder).Finish(), {}};
  Kill(model.graph, "a/kernel", {1, 3});
  const absl::StatusOr<PruneResult> result = Prune(model, Fine(0));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(Kept(*result, "a"), 2);
  EXPECT_EQ(result->model.graph.Initializer("fc/kernel")->shape(), (Shape{8, 3}));
  const Tensor input = Wavy({1, 3, 2, 2}, 9);
  EXPECT_LT(MaxDifference(GraphInterpreter(model.graph).Run("Input", input, "fc"),
                          GraphInterpreter(result->model.graph).Run("Input", input, "fc")),
            1e-5);
  EXPECT_THAT(result->model.graph.InitializerNames(),
              ElementsAre("a/kernel", "fc/kernel", "plane/shape_1", "rows/shape_1"));
}

TEST(PruneTest, AModelCanBePrunedAgain) {
  absl::StatusOr<PruneResult> once = Prune(MiniNetwork(), Fine(0.2, Equalization::kIntersection));
  ASSERT_THAT(once, IsOk());
  absl::StatusOr<PruneResult> twice = Prune(once->model, Fine(0.5, Equalization::kIntersection));
  ASSERT_THAT(twice, IsOk());
  EXPECT_LT(twice->parameters_after, once->parameters_after);
}

// A grey picture less the mean of three colours, as exporters put preprocessing into the graph.
TEST(PruneTest, AConstantThatMakesMoreChannelsOfOneStaysWhole) {
  graph::GraphBuilder builder("grey");
  std::string x = builder.Input("Input", {-1, 1, 2, 2});
  x = builder.Node("Sub", "colours", {x, builder.Initializer("mean", Wavy({1, 3, 1, 1}))});
  x = builder.Conv("A", x, KernelOf(3, {4, 1, 3, 0.5f}), Wavy({4}), {});
  builder.Output(builder.Conv("Head", x, Wavy({2, 4, 1, 1}), Wavy({2}), {}), {-1, 2, 2, 2});
  const auto result = Prune({*std::move(builder).Finish(), {}}, Fine(0.3));
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(Kept(*result, "A"), 2);
  EXPECT_EQ(result->model.graph.Initializer("mean")->dim(1), 3);
  EXPECT_EQ(result->model.graph.Initializer("A/kernel")->shape(), (Shape{2, 3, 1, 1}));
}

}  // namespace
}  // namespace trainyard::pruning
