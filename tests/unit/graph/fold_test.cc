#include "libs/graph/fold.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::MaxDifference;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

BatchNormParameters WavyNorm(int64_t channels) {
  std::vector<float> variance(channels);
  for (int64_t c = 0; c < channels; ++c) variance[c] = 0.25f + 0.5f * static_cast<float>(c);
  return {.gamma = Wavy({channels}, 1),
          .beta = Wavy({channels}, 2),
          .mean = Wavy({channels}, 3),
          .variance = Tensor::Of<float>({channels}, variance)};
}

TEST(FoldBatchNormTest, ByHand) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 1, 1, 1});
  x = builder.Conv("conv", x, Tensor::Of<float>({2, 1, 1, 1}, {3, -2}),
                   Tensor::Of<float>({2}, {1, 0}), {});
  x = builder.BatchNorm("bn", x,
                        {.gamma = Tensor::Of<float>({2}, {4, 1}),
                         .beta = Tensor::Of<float>({2}, {0.5f, 7}),
                         .mean = Tensor::Of<float>({2}, {2, -3}),
                         .variance = Tensor::Of<float>({2}, {3, 0}),
                         .epsilon = 1});
  builder.Output(x, {-1, 2, 1, 1});
  Graph graph = *std::move(builder).Finish();
  ASSERT_THAT(FoldBatchNorm(graph), IsOk());
  ASSERT_THAT(graph.Check(), IsOk());
  // Scales: 4 / sqrt(3 + 1) = 2 and 1 / sqrt(0 + 1) = 1.
  EXPECT_THAT(graph.Initializer("conv/kernel")->data<float>(), ElementsAre(6, -2));
  EXPECT_THAT(graph.Initializer("conv/bias")->data<float>(), ElementsAre(-1.5f, 10));
  EXPECT_EQ(graph.nodes().size(), 1u);
  EXPECT_THAT(graph.OutputNames(), ElementsAre("bn"));
  EXPECT_THAT(graph.InitializerNames(), ElementsAre("conv/kernel", "conv/bias"));
}

TEST(FoldBatchNormTest, TheFoldedGraphComputesTheSame) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 4, 5, 5});
  x = builder.Conv("a", x, Wavy({6, 4, 3, 3}), std::nullopt, {.stride = 2, .pad = 1});
  x = builder.Relu("ar", builder.BatchNorm("an", x, WavyNorm(6)));
  std::string y = builder.Conv("dw", x, Wavy({6, 1, 3, 3}), Wavy({6}), {.pad = 1, .group = 6});
  y = builder.BatchNorm("dn", y, WavyNorm(6));
  builder.Output(builder.Add("sum", x, y), {-1, 6, 3, 3});
  const Graph graph = *std::move(builder).Finish();
  Graph folded = graph.Clone();
  ASSERT_THAT(FoldBatchNorm(folded), IsOk());
  ASSERT_THAT(folded.Check(), IsOk());
  EXPECT_EQ(folded.nodes().size(), 4u);
  const Tensor input = Wavy({2, 4, 5, 5}, 5);
  const Tensor before = GraphInterpreter(graph).Run("Input", input, "sum");
  const Tensor after = GraphInterpreter(folded).Run("Input", input, "sum");
  EXPECT_LT(MaxDifference(before, after), 1e-5);
}

TEST(FoldBatchNormTest, LeavesWhatItMustNotFold) {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 2, 3, 3});
  const std::string conv = builder.Conv("conv", x, Wavy({2, 2, 1, 1}), std::nullopt, {});
  const std::string bn = builder.BatchNorm("bn", conv, WavyNorm(2));
  const std::string late = builder.BatchNorm("late", builder.Relu("relu", bn), WavyNorm(2));
  builder.Output(builder.Add("sum", late, conv), {-1, 2, 3, 3});
  Graph graph = *std::move(builder).Finish();
  const std::string before = graph.Serialize();
  ASSERT_THAT(FoldBatchNorm(graph), IsOk());
  EXPECT_EQ(graph.Serialize(), before) << "the convolution is read twice; 'late' follows a Relu";
}

TEST(FoldBatchNormTest, AKernelThatTwoConvsShareIsCopied) {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 2, 3, 3});
  const std::string a = builder.BatchNorm(
      "bn", builder.Conv("a", x, Wavy({2, 2, 1, 1}), std::nullopt, {}), WavyNorm(2));
  const std::string b = builder.Node("Conv", "b", {a, "a/kernel"});
  builder.Output(b, {-1, 2, 3, 3});
  const Graph graph = *std::move(builder).Finish();
  Graph folded = graph.Clone();
  ASSERT_THAT(FoldBatchNorm(folded), IsOk());
  const Tensor input = Wavy({1, 2, 3, 3}, 5);
  EXPECT_LT(MaxDifference(GraphInterpreter(graph).Run("Input", input, "b"),
                          GraphInterpreter(folded).Run("Input", input, "b")),
            1e-5);
}

TEST(FoldBatchNormTest, AKernelThatIsAnOutputStaysAsItIs) {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 2, 3, 3});
  const Tensor kernel = Wavy({2, 2, 1, 1});
  builder.Output(
      builder.BatchNorm("bn", builder.Conv("a", x, kernel, std::nullopt, {}), WavyNorm(2)),
      {-1, 2, 3, 3});
  builder.Output("a/kernel", kernel.shape());
  Graph graph = *std::move(builder).Finish();
  ASSERT_THAT(FoldBatchNorm(graph), IsOk());
  EXPECT_EQ(MaxDifference(*graph.Initializer("a/kernel"), kernel), 0);
  EXPECT_NE(graph.FindNode("a")->input(1), "a/kernel");
}

TEST(FoldBatchNormTest, WeightsThatDoNotFitNameTheNode) {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 2, 3, 3});
  builder.Output(builder.BatchNorm("bn", builder.Conv("a", x, Wavy({2, 2, 1, 1}), std::nullopt, {}),
                                   WavyNorm(3)),
                 {-1, 2, 3, 3});
  Graph graph = *std::move(builder).Finish();
  EXPECT_THAT(FoldBatchNorm(graph),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("node 'bn': 'bn/gamma' is f32 [3]; expected f32 [2]")));
}

}  // namespace
}  // namespace trainyard::graph
