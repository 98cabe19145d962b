#include "libs/graph/edit.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::graph {
namespace {

using ::testing::ElementsAre;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::Wavy;

Graph GraphWithADeadBranch() {
  GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 2, 3, 3});
  builder.Initializer("orphan", Wavy({1}));
  const std::string dead = builder.Conv("dead", x, Wavy({2, 2, 1, 1}), std::nullopt, {});
  builder.Relu("dead_relu", dead);
  const std::string a = builder.Conv("a", x, Wavy({2, 2, 1, 1}), std::nullopt, {});
  builder.Output(builder.Relu("relu", a), {-1, 2, 3, 3});
  return *std::move(builder).Finish();
}

TEST(EditTest, DeadNodesAndTheirWeightsGo) {
  Graph graph = GraphWithADeadBranch();
  EXPECT_EQ(RemoveDeadNodes(graph), 2);
  EXPECT_THAT(graph.InitializerNames(), ElementsAre("a/kernel"));
  EXPECT_EQ(graph.nodes().size(), 2u);
  EXPECT_EQ(graph.nodes()[1]->name(), "relu");
  EXPECT_THAT(graph.Check(), IsOk());
}

TEST(EditTest, OnlyUnreadInitializersGo) {
  Graph graph = GraphWithADeadBranch();
  EXPECT_EQ(RemoveUnusedInitializers(graph), 1);
  EXPECT_THAT(graph.InitializerNames(), ElementsAre("dead/kernel", "a/kernel"));
}

TEST(EditTest, ReadersAreRedirected) {
  Graph graph = GraphWithADeadBranch();
  RedirectReaders(graph, "a", "dead");
  graph.Reindex();
  EXPECT_EQ(graph.Consumers("dead").size(), 2u);
  EXPECT_EQ(graph.Consumers("a").size(), 0u);
}

TEST(EditTest, AnUnusedNameCollidesWithNothing) {
  const Graph graph = GraphWithADeadBranch();
  EXPECT_EQ(UnusedName(graph, "fresh"), "fresh");
  EXPECT_EQ(UnusedName(graph, "relu"), "relu_1");
  EXPECT_EQ(UnusedName(graph, "Input"), "Input_1");
  EXPECT_EQ(UnusedName(graph, "a/kernel"), "a/kernel_1");
}

}  // namespace
}  // namespace trainyard::graph
