#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/fold.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::graph {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::ZooNet;
using ::trainyard::testing::ZooWeights;

Graph Parsed(const onnx::ModelProto& model) {
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  EXPECT_THAT(graph, IsOk());
  return *std::move(graph);
}

TEST(NormalizeTest, InitializersAreNoInputsAsWellWhateverTheIrVersion) {
  for (const int ir : {3, 4, 8}) {
    onnx::ModelProto model = testing::AsIr3(testing::Residual(ZooWeights::kFull, true));
    model.set_ir_version(ir);
    Graph graph = Parsed(model);
    EXPECT_THAT(graph.InputNames(), ElementsAre("Input"));
    EXPECT_EQ(graph.proto().graph().input_size(), 1);
    EXPECT_EQ(graph.proto().ir_version(), std::max(ir, 4)) << "IR 3 demands them as inputs";
    EXPECT_THAT(graph.Check(), IsOk());
    // What folding makes, and leaves unread, is no input either.
    EXPECT_THAT(FoldBatchNorm(graph), IsOk());
    EXPECT_THAT(graph.Check(), IsOk());
    EXPECT_EQ(graph.proto().graph().input_size(), 1);
  }
}

TEST(NormalizeTest, DoubledNodeNamesGetANumberAndAWord) {
  onnx::ModelProto model = testing::Fire(ZooWeights::kFull);
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    node.set_name(node.op_type() == "Conv" ? "conv" : "");
  }
  model.mutable_graph()->mutable_node(1)->set_name("conv_2");
  const Graph graph = Parsed(model);
  std::set<std::string> names;
  for (const onnx::NodeProto* node : graph.nodes()) names.insert(node->name());
  EXPECT_EQ(names.size(), graph.nodes().size());
  EXPECT_THAT(names, Contains("conv"));
  EXPECT_THAT(names, Contains("conv_2"));
  EXPECT_THAT(graph.notes(), ElementsAre(HasSubstr("7 nodes had the name of another node")));
  EXPECT_THAT(graph.Clone().notes(), Not(IsEmpty()));
  EXPECT_THAT(Parsed(testing::Fire(ZooWeights::kFull)).notes(), IsEmpty());
}

TEST(NormalizeTest, TheStandardDomainHasOneName) {
  onnx::ModelProto model = testing::Residual(ZooWeights::kFull, true);
  model.mutable_opset_import(0)->set_domain("ai.onnx");
  for (auto& node : *model.mutable_graph()->mutable_node()) node.set_domain("ai.onnx");
  const Graph graph = Parsed(model);
  EXPECT_EQ(graph.nodes()[0]->domain(), "");
  EXPECT_THAT(graph.Check(), IsOk());
  EXPECT_EQ(*graph.MacCount(), *Parsed(testing::Residual(ZooWeights::kFull, true)).MacCount());
}

// proto3 has no way to write a zero.
TEST(NormalizeTest, AnAttributeThatIsLeftOutIsZero) {
  onnx::ModelProto model = testing::Residual(ZooWeights::kFull, true);
  const auto add = [&model](const std::string& op, const std::string& attribute,
                            onnx::AttributeProto::AttributeType type) {
    auto* node = model.mutable_graph()->add_node();
    node->set_op_type(op);
    node->set_name(op);
    node->add_input("Input");
    node->add_output(op);
    node->add_attribute()->set_name(attribute);
    node->mutable_attribute(0)->set_type(type);
  };
  add("Softmax", "axis", onnx::AttributeProto::INT);
  add("LeakyRelu", "alpha", onnx::AttributeProto::FLOAT);
  const Graph graph = Parsed(model);
  EXPECT_EQ(IntAttribute(*graph.FindNode("Softmax"), "axis", -1), 0);
  EXPECT_TRUE(graph.FindNode("Softmax")->attribute(0).has_i());
  EXPECT_TRUE(graph.FindNode("LeakyRelu")->attribute(0).has_f());
}

TEST(NormalizeTest, AbsentStatisticsOfABatchNormAreNoOutputs) {
  onnx::ModelProto model = testing::AtOpset(testing::Residual(ZooWeights::kFull, true), 11);
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    if (node.op_type() != "BatchNormalization") continue;
    for (int i = 0; i < 4; ++i) node.add_output("");
  }
  Graph graph = Parsed(model);
  ASSERT_THAT(FoldBatchNorm(graph), IsOk());
  for (const onnx::NodeProto* node : graph.nodes()) {
    EXPECT_NE(node->op_type(), "BatchNormalization") << node->name();
  }
}

TEST(NormalizeTest, ANegativeDimensionIsAnOpenOne) {
  onnx::ModelProto model = testing::Residual(ZooWeights::kFull, true);
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(-1);
  const auto shapes = Parsed(model).InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("Input"), ElementsAre(-1, 3, 16, 16));
}

}  // namespace
}  // namespace trainyard::graph
