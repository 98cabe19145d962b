#include "libs/graph/builder.h"

#include <array>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

BatchNormParameters PlainNorm(int64_t channels) {
  return {.gamma = Wavy({channels}),
          .beta = Wavy({channels}),
          .mean = Wavy({channels}),
          .variance = Tensor::Of<float>({channels}, std::vector<float>(channels, 1.0f))};
}

TEST(GraphBuilderTest, NamesNodesValuesAndWeightsAfterTheLayer) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 8, 8});
  x = builder.Conv("conv1", x, Wavy({4, 3, 3, 3}), Wavy({4}), {.stride = 2, .pad = 1});
  x = builder.BatchNorm("bn1", x, PlainNorm(4));
  x = builder.Relu("relu1", x);
  x = builder.MaxPool("pool", builder.Add("sum", x, x), 2, {.stride = 2});
  builder.Output(x, {-1, 4, 2, 2});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->InitializerNames(),
              ElementsAre("conv1/kernel", "conv1/bias", "bn1/gamma", "bn1/beta", "bn1/moving_mean",
                          "bn1/moving_variance"));
  EXPECT_EQ(graph->Producer("conv1")->name(), "conv1");
  EXPECT_FLOAT_EQ(FloatAttribute(*graph->FindNode("bn1"), "momentum", 0), 0.99f);
  EXPECT_FLOAT_EQ(FloatAttribute(*graph->FindNode("bn1"), "epsilon", 0), 1e-3f);
  EXPECT_THAT(IntsAttribute(*graph->FindNode("conv1"), "pads", {}), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(graph->ParameterCount(), 4 * 27 + 4 + 16);
  EXPECT_EQ(graph->proto().ir_version(), 8);
}

TEST(GraphBuilderTest, WritesWhatClassifiersAreMadeOf) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 8, 8});
  const std::array<int64_t, 4> pads = {0, 0, 1, 1};
  x = builder.Conv("depthwise", x, Wavy({3, 1, 3, 3}), std::nullopt,
                   {.stride = 2, .group = 3, .pads = pads});
  x = builder.LeakyRelu("leaky", x, 0.1f);
  x = builder.Mul("gated", x, builder.Sigmoid("gate", builder.GlobalAveragePool("mean", x)));
  const auto bound = [&builder](const std::string& name, float value) {
    return builder.Initializer(name, Tensor::Of<float>({}, std::vector<float>{value}));
  };
  x = builder.Clip("relu6", x, bound("low", 0), bound("high", 6));
  x = builder.Gemm("dense", builder.Flatten("flat", x), Wavy({5, 48}), Wavy({5}));
  builder.Output(builder.Softmax("scores", x, 1), {-1, 5});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(IntsAttribute(*graph->FindNode("depthwise"), "pads", {}), ElementsAre(0, 0, 1, 1));
  EXPECT_FLOAT_EQ(FloatAttribute(*graph->FindNode("leaky"), "alpha", 0), 0.1f);
  const auto shapes = graph->InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("relu6"), ElementsAre(-1, 3, 4, 4));
  EXPECT_THAT(shapes->at("mean"), ElementsAre(-1, 3, 1, 1));
  EXPECT_THAT(shapes->at("flat"), ElementsAre(-1, 48));
  EXPECT_THAT(shapes->at("scores"), ElementsAre(-1, 5));
}

TEST(GraphBuilderTest, HeadsFlattenByRowThenColumnThenBox) {
  // Two boxes of three numbers at each of 2 x 2 cells: channel = box * 3 + number.
  GraphBuilder builder("head");
  std::string x = builder.Input("Input", {-1, 6, 2, 2});
  x = builder.Transpose("permute", x, {0, 2, 3, 1});
  x = builder.Reshape("reshape", x, {0, -1, 3});
  x = builder.Concat("all", {x, x}, 1);
  builder.Output(x, {-1, 16, 3});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  std::vector<float> numbers(24);
  for (int i = 0; i < 24; ++i) numbers[i] = static_cast<float>(i);
  const Tensor y =
      GraphInterpreter(*graph).Run("Input", Tensor::Of<float>({1, 6, 2, 2}, numbers), "all");
  // Cell (0, 0), box 1 holds channels 3, 4, 5 of the first position: 12, 16, 20.
  EXPECT_THAT(y.data<float>().subspan(3, 3), ElementsAre(12, 16, 20));
  // Cell (0, 1), box 0: channels 0, 1, 2 of the second position.
  EXPECT_THAT(y.data<float>().subspan(6, 3), ElementsAre(1, 5, 9));
}

TEST(GraphBuilderTest, OnlyTheBatchIsCalledN) {
  GraphBuilder builder("net");
  builder.Output(builder.Relu("y", builder.Input("x", {-1, 3, -1, -1})), {-1, 3, -1, -1});
  const absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  std::vector<std::string> names;
  for (const auto& dim : graph->proto().graph().input(0).type().tensor_type().shape().dim()) {
    names.push_back(dim.dim_param());
  }
  EXPECT_THAT(names, ElementsAre("N", "", "x_2", "x_3"));
}

TEST(GraphBuilderTest, FinishTellsEveryMistake) {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 3, 8, 8});
  builder.Relu("a", "ghost");
  builder.Relu("a", x);
  builder.Output("a", {-1, 3, 8, 8});
  EXPECT_THAT(std::move(builder).Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("reads 'ghost'"), HasSubstr("name of another node"))));

  GraphBuilder doubled("net");
  doubled.Initializer("w", Wavy({1}));
  doubled.Initializer("w", Wavy({1}));
  EXPECT_THAT(std::move(doubled).Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'w' is added twice")));
}

}  // namespace
}  // namespace trainyard::graph
