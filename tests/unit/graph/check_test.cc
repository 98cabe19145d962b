#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "libs/graph/graph.h"
#include "libs/graph/weights.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

Graph SmallGraph() {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 3, 8, 8});
  x = builder.Conv("conv1", x, Wavy({4, 3, 1, 1}), std::nullopt, {});
  builder.Output(builder.Relu("relu1", x), {-1, 4, 8, 8});
  return *std::move(builder).Finish();
}

TEST(CheckTest, AWholeGraphPasses) { EXPECT_THAT(SmallGraph().Check(), IsOk()); }

TEST(CheckTest, AnOutputNeedsNoShape) {
  Graph graph = SmallGraph();
  auto* output = graph.mutable_proto().mutable_graph()->mutable_output(0);
  output->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_THAT(graph.Check(), IsOk());
  output->mutable_type()->mutable_tensor_type()->clear_elem_type();
  EXPECT_THAT(graph.Check(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("relu1")));
}

TEST(CheckTest, OneBadNodeDoesNotHideTheNext) {
  Graph graph = SmallGraph();
  onnx::GraphProto& proto = *graph.mutable_proto().mutable_graph();
  proto.mutable_node(0)->clear_input();
  proto.mutable_node(1)->set_op_type("Rellu");
  proto.mutable_node(1)->set_input(0, "conv1");
  graph.Reindex();
  EXPECT_THAT(graph.Check(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("node 'conv1' (Conv)"), HasSubstr("node 'relu1' (Rellu)"))));
}

TEST(CheckTest, AnEditThatMakesACycleIsSeen) {
  Graph graph = SmallGraph();
  graph.mutable_proto().mutable_graph()->mutable_node(0)->set_input(0, "relu1");
  graph.Reindex();
  EXPECT_EQ(graph.nodes().size(), 2u);
  EXPECT_THAT(graph.Check(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lies on a cycle")));
}

TEST(CheckTest, ADamagedWeightIsSeen) {
  Graph graph = SmallGraph();
  graph.mutable_proto().mutable_graph()->mutable_initializer(0)->clear_data_type();
  EXPECT_THAT(graph.Check(), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("initializer 'conv1/kernel'")));
}

TEST(CheckWeightsTest, NamesEveryLayerThatMakesNothingSensible) {
  Graph graph = SmallGraph();
  EXPECT_THAT(CheckWeights(graph), IsOk());
  Tensor kernel = Wavy({4, 3, 1, 1});
  kernel.data<float>()[5] = std::nanf("");
  ASSERT_THAT(graph.SetInitializer("conv1/kernel", kernel), IsOk());
  EXPECT_THAT(CheckWeights(graph),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("node 'conv1'"), HasSubstr("'conv1/kernel'"),
                             HasSubstr("not finite"))));
}

}  // namespace
}  // namespace trainyard::graph
