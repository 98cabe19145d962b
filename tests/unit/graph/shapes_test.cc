#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

TEST(ShapesTest, TheBatchStaysOpenThroughTheHeads) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 301, 300});
  x = builder.Conv("conv1", x, Wavy({12, 3, 7, 7}), std::nullopt, {.stride = 2, .pad = 3});
  x = builder.Reshape("reshape", builder.Transpose("permute", x, {0, 2, 3, 1}), {0, -1, 4});
  builder.Output(builder.Concat("all", {x, x}, 1), {-1, 2 * 151 * 150 * 3, 4});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const auto shapes = graph->InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("Input"), ElementsAre(-1, 3, 301, 300));
  EXPECT_THAT(shapes->at("conv1"), ElementsAre(-1, 12, 151, 150));
  EXPECT_THAT(shapes->at("conv1/kernel"), ElementsAre(12, 3, 7, 7));
  EXPECT_THAT(shapes->at("reshape"), ElementsAre(-1, 151 * 150 * 3, 4));
  EXPECT_THAT(shapes->at("all"), ElementsAre(-1, 2 * 151 * 150 * 3, 4));
}

TEST(ShapesTest, AContradictionNamesTheNode) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 8, 8});
  x = builder.Conv("conv1", x, Wavy({4, 5, 1, 1}), std::nullopt, {});
  const std::string y = builder.Conv("conv2", "Input", Wavy({6, 3, 1, 1}), std::nullopt, {});
  builder.Output(builder.Add("sum", x, y), {-1, 4, 8, 8});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->InferShapes(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sum")));
}

TEST(ShapesTest, CountsMultiplyAccumulatesOfOneImage) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 4, 10, 10});
  // 5 x 5 positions, 8 filters of 2 channels (two groups) and 3 x 3 taps.
  x = builder.Conv("conv1", x, Wavy({8, 2, 3, 3}), Wavy({8}), {.stride = 2, .pad = 1, .group = 2});
  x = builder.Node("Flatten", "flat", {x}, {{"axis", int64_t{1}}});
  x = builder.Node("Gemm", "fc", {x, builder.Initializer("fc/kernel", Wavy({10, 200}))},
                   {{"transB", int64_t{1}}});
  builder.Output(x, {-1, 10});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->MacCount(), IsOkAndHolds(25 * 8 * 18 + 10 * 200));
}

TEST(ShapesTest, AFixedBatchDoesNotCountTwice) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {16, 4, 10, 10});
  x = builder.Conv("conv1", x, Wavy({8, 4, 1, 1}), std::nullopt, {});
  builder.Output(x, {16, 8, 10, 10});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->MacCount(), IsOkAndHolds(100 * 8 * 4));
}

TEST(ShapesTest, OnlyWeightsThatAreReadCountAsParameters) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 6, 2, 2});
  builder.Initializer("orphan", Wavy({100}));
  builder.Output(builder.Reshape("reshape", x, {0, -1, 3}), {-1, 8, 3});
  absl::StatusOr<Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(graph->ParameterCount(), 0) << "shapes are integers, the orphan is read by nobody";
}

}  // namespace
}  // namespace trainyard::graph
