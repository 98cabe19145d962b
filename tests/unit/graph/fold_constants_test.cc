#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/fold.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::ZooNet;
using ::trainyard::testing::ZooWeights;

Graph Parsed(const onnx::ModelProto& model) {
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  EXPECT_THAT(graph, IsOk());
  return *std::move(graph);
}
std::set<std::string> OperatorsOf(const Graph& graph) {
  std::set<std::string> ops;
  for (const onnx::NodeProto* node : graph.nodes()) ops.insert(node->op_type());
  return ops;
}
/// The target that the Reshape "flat" reads.
Shape TargetOf(const Graph& graph) {
  const absl::StatusOr<Tensor> target = graph.Initializer(graph.FindNode("flat")->input(1));
  EXPECT_THAT(target, IsOk());
  return Shape(target->data<int64_t>().begin(), target->data<int64_t>().end());
}
std::string Number(ZooNet& net, const std::string& name, int64_t value) {
  return net().Node("Constant", name, {}, {{"value_int", value}});
}

TEST(FoldConstantsTest, ConstantNodesOfEveryFormBecomeInitializers) {
  ZooNet net(ZooWeights::kFull);
  const std::string tensor = net().Node("Constant", "tensor", {},
                                        {{"value", Tensor::Of<float>({1}, std::vector<float>{2})}});
  const std::string number = net().Node("Constant", "number", {}, {{"value_float", 3.0f}});
  const std::string ints =
      net().Node("Constant", "ints", {}, {{"value_ints", std::vector<int64_t>{0, -1}}});
  std::string x = net.Conv("a", "Input", 3, 16);
  x = net().Node("Mul", "m2", {net().Node("Mul", "m1", {x, tensor}), number});
  x = net().Node("GlobalAveragePool", "pool", {x});
  const Graph graph = Parsed(net.GemmHead(net().Node("Reshape", "flat", {x, ints}), 16));
  EXPECT_EQ(OperatorsOf(graph).count("Constant"), 0u);
  EXPECT_THAT(graph.Initializer("tensor")->data<float>(), ElementsAre(2));
  EXPECT_THAT(graph.Initializer("number")->shape(), IsEmpty());
  EXPECT_THAT(TargetOf(graph), ElementsAre(0, -1));
  EXPECT_THAT(graph.Check(), IsOk());
}

TEST(FoldConstantsTest, AConstantThatIsAnOutputStaysANode) {
  onnx::ModelProto model = testing::ConstantNodes(ZooWeights::kFull);
  auto* output = model.mutable_graph()->add_output();
  output->set_name("scales");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  EXPECT_EQ(OperatorsOf(Parsed(model)).count("Constant"), 1u);
}

TEST(FoldConstantsTest, PyTorchsViewKeepsTheBatchOpen) {
  const Graph graph = Parsed(testing::TorchView(ZooWeights::kFull));
  EXPECT_THAT(TargetOf(graph), ElementsAre(0, -1));
  EXPECT_THAT(OperatorsOf(graph),
              ElementsAre("BatchNormalization", "Conv", "Gemm", "MaxPool", "Relu", "Reshape"));
  EXPECT_EQ(*graph.MacCount(), 8 * 8 * 16 * 27 + 16 * 16 * 24 + 24 * 4);
}

/// A network whose Reshape "flat" reads what `target` makes of the map "pool", [N, 16, 4, 4].
template <typename Target>
onnx::ModelProto Flattened(const Target& target) {
  ZooNet net(ZooWeights::kFull);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  x = net().MaxPool("pool", x, 2, {.stride = 2});
  x = net().Node("Reshape", "flat", {x, target(net)});
  return net.GemmHead(x, 256);
}

TEST(FoldConstantsTest, ArithmeticOnShapesIsDone) {
  const auto target = [](ZooNet& net) {
    const std::string shape = net().Node("Shape", "s", {"pool"});
    const std::string spatial =
        net().Node("Slice", "spatial",
                   {shape, net.Ints("from", {-2}), net.Ints("to", {9}), net.Ints("along", {0})});
    const std::string h = net().Node("Gather", "h", {spatial, Number(net, "zero", 0)});
    const std::string w = net().Node("Gather", "w", {shape, Number(net, "last", -1)});
    const std::string c = net().Node("Gather", "c", {shape, Number(net, "one", 1)});
    const std::string size = net().Node("Mul", "hwc", {net().Node("Mul", "hw", {h, w}), c});
    const std::string row = net().Node(
        "Unsqueeze", "row",
        {net().Node("Div", "same", {size, Number(net, "unit", 1)}), net.Ints("axis0", {0})});
    return net().Concat("target", {net.Ints("rest", {-1}), row}, 0);
  };
  const Graph graph = Parsed(Flattened(target));
  EXPECT_THAT(TargetOf(graph), ElementsAre(-1, 256));
  EXPECT_EQ(OperatorsOf(graph).count("Shape"), 0u);
}

TEST(FoldConstantsTest, TheBatchOfTheInputIsTheBatchOfEveryMap) {
  const auto target = [](ZooNet& net) {
    const std::string shape = net().Node("Shape", "s", {"Input"});
    const std::string n =
        net().Node("Slice", "n", {shape, net.Ints("from", {0}), net.Ints("to", {1})});
    return net().Concat("target", {n, net.Ints("rest", {256})}, 0);
  };
  EXPECT_THAT(TargetOf(Parsed(Flattened(target))), ElementsAre(0, 256));
}

TEST(FoldConstantsTest, AnOpenNumberInAnotherPlaceIsWhatIsLeft) {
  const auto target = [](ZooNet& net) {
    const std::string shape = net().Node("Shape", "s", {"pool"});
    const std::string n =
        net().Node("Slice", "n", {shape, net.Ints("from", {0}), net.Ints("to", {1})});
    return net().Concat("target", {net.Ints("rest", {256}), n}, 0);
  };
  onnx::ModelProto model = Flattened(target);
  model.mutable_graph()->clear_output();  // its rows are columns now
  auto* output = model.mutable_graph()->add_output();
  output->set_name("flat");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  auto* nodes = model.mutable_graph()->mutable_node();
  nodes->RemoveLast();
  EXPECT_THAT(TargetOf(Parsed(model)), ElementsAre(256, -1));
}

TEST(FoldConstantsTest, OneViewAfterAnother) {
  ZooNet net(ZooWeights::kFull);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  for (const std::string name : {"one", "flat"}) {
    const std::string shape = net().Node("Shape", name + "_shape", {x});
    const std::string n = net().Node(
        "Slice", name + "_n", {shape, net.Ints(name + "_from", {0}), net.Ints(name + "_to", {1})});
    x = net().Node("Reshape", name,
                   {x, net().Concat(name + "_target", {n, net.Ints(name + "_rest", {-1})}, 0)});
  }
  const Graph graph = Parsed(net.GemmHead(x, 16 * 8 * 8));
  EXPECT_EQ(OperatorsOf(graph).count("Shape"), 0u);
  EXPECT_THAT(TargetOf(graph), ElementsAre(0, -1));
  EXPECT_EQ(graph.InferShapes()->at("one"), (Shape{-1, 1024}));
}

TEST(FoldConstantsTest, PyTorchsInterpolateToASizeReadsScales) {
  const Graph graph = Parsed(testing::TorchInterpolate(ZooWeights::kFull));
  const onnx::NodeProto& up = *graph.FindNode("up");
  ASSERT_EQ(up.input_size(), 3);
  EXPECT_THAT(graph.Initializer(up.input(2))->data<float>(), ElementsAre(1, 1, 2, 2));
  EXPECT_EQ(OperatorsOf(graph).count("Shape"), 0u);
  EXPECT_EQ(graph.InferShapes()->at("up"), (Shape{-1, 24, 16, 16}));
}

// The ONNX library of this version dereferences the type that nobody knows.
TEST(FoldConstantsTest, TheShapeOfWhatAForeignOperatorMakesIsLeft) {
  ZooNet net(ZooWeights::kFull);
  const std::string x = net.Conv("a", "Input", 3, 16);
  onnx::ModelProto model = net.ConvHead(net().Relu("foreign", x), 16);
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    if (node.name() == "foreign") node.set_domain("com.example");
  }
  model.add_opset_import()->set_domain("com.example");
  auto* shape = model.mutable_graph()->add_node();
  shape->set_op_type("Shape");
  shape->add_input("foreign");
  shape->add_output("shape");
  auto* output = model.mutable_graph()->add_output();
  output->set_name("shape");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT64);
  const Graph graph = Parsed(model);
  EXPECT_EQ(OperatorsOf(graph).count("Shape"), 1u);
  EXPECT_THAT(graph.InferShapes(), IsOk());
}

// PyTorch writes weights that are equal once, and Identity nodes for the others.
TEST(FoldConstantsTest, WhoReadsAnIdentityOfWeightsReadsTheWeights) {
  ZooNet net(ZooWeights::kFull);
  std::string x = net.BatchNorm("a_bn", net.Conv("a", "Input", 3, 16), 16);
  const std::string same = net().Node("Identity", "same", {"a_bn/gamma"});
  const std::string again = net().Node("Identity", "again", {same});
  x = net().Node("BatchNormalization", "b_bn",
                 {net.Conv("b", x, 16, 16), again, "a_bn/beta", "a_bn/moving_mean",
                  "a_bn/moving_variance"});
  Graph graph = Parsed(net.ConvHead(x, 16));
  EXPECT_EQ(graph.FindNode("b_bn")->input(1), "a_bn/gamma");
  EXPECT_EQ(OperatorsOf(graph).count("Identity"), 0u);
  ASSERT_THAT(FoldBatchNorm(graph), IsOk());
  EXPECT_THAT(OperatorsOf(graph), ElementsAre("Conv"));
}

TEST(FoldConstantsTest, AnIdentityThatIsAnOutputOrReadInABodyStays) {
  onnx::ModelProto model = testing::IfBodies(ZooWeights::kFull);
  onnx::GraphProto& proto = *model.mutable_graph();
  for (const std::string name : {"a_relu_copy", "shown"}) {
    auto* node = proto.add_node();
    node->set_op_type("Identity");
    node->add_input(proto.initializer(0).name());
    node->add_output(name);
  }
  for (auto& node : *proto.mutable_node()) {
    if (node.op_type() != "If") continue;
    node.mutable_attribute(0)->mutable_g()->mutable_node(0)->set_input(0, "a_relu_copy");
  }
  auto* output = proto.add_output();
  output->set_name("shown");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  const Graph graph = Parsed(model);
  EXPECT_NE(graph.Producer("a_relu_copy"), nullptr);
  EXPECT_NE(graph.Producer("shown"), nullptr);
}

// Two axes make a matrix of a number, which is no row.
TEST(FoldConstantsTest, NumbersThatBecomeMoreThanARowAreLeft) {
  const auto folded = [](const std::vector<int64_t>& axes, int64_t axis) {
    ZooNet net(ZooWeights::kFull);
    const std::string x = net.Conv("a", "Input", 3, 16);
    const std::string c =
        net().Node("Gather", "c", {net().Node("Shape", "s", {x}), Number(net, "one", 1)});
    const std::string high = net().Node("Unsqueeze", "high", {c, net.Ints("axes", axes)});
    net().Node("Cast", "numbers", {net().Concat("twice", {high, high}, axis)},
               {{"to", int64_t{onnx::TensorProto::FLOAT}}});
    onnx::ModelProto model = net.ConvHead(x, 16);
    auto* output = model.mutable_graph()->add_output();
    output->set_name("numbers");
    output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    return Parsed(model).HasInitializer("twice");
  };
  EXPECT_TRUE(folded({0}, 0));
  EXPECT_TRUE(folded({-1}, -1));
  EXPECT_FALSE(folded({0, 1}, 1));
  EXPECT_FALSE(folded({0, 1}, 0));
}

// Exporters leave shapes behind that the graph no longer has.
TEST(FoldConstantsTest, AStaleShapeOfAValueIsNoContradiction) {
  onnx::ModelProto model = testing::TorchView(ZooWeights::kFull);
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (node.op_type() != "MaxPool") continue;
    onnx::ValueInfoProto& stale = *model.mutable_graph()->add_value_info();
    stale = model.graph().input(0);
    stale.set_name(node.output(0));
    stale.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(1);
  }
  ASSERT_EQ(model.graph().value_info_size(), 1);
  const Graph graph = Parsed(model);
  EXPECT_THAT(TargetOf(graph), ElementsAre(0, -1));
  EXPECT_THAT(graph.InferShapes(), IsOk());
}

TEST(FoldConstantsTest, WhatItCannotFollowItLeaves) {
  const auto target = [](ZooNet& net) {
    const std::string shape = net().Node("Shape", "s", {"pool"});
    const std::string n =
        net().Node("Slice", "n", {shape, net.Ints("from", {0}), net.Ints("to", {1})});
    const std::string twice = net().Node("Mul", "twice", {n, net.Ints("two", {2})});
    return net().Concat("target", {twice, net.Ints("rest", {-1})}, 0);
  };
  onnx::ModelProto model = Flattened(target);
  model.mutable_graph()->mutable_node()->RemoveLast();
  model.mutable_graph()->mutable_output(0)->set_name("flat");
  model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  const Graph graph = Parsed(model);
  EXPECT_FALSE(graph.HasInitializer(graph.FindNode("flat")->input(1)));
  EXPECT_EQ(OperatorsOf(graph).count("Mul"), 1u);
}

}  // namespace
}  // namespace trainyard::graph
