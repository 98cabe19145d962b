#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/fold.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::ZooWeights;

using Edit = std::function<void(onnx::ModelProto&)>;

/// A sound model with a Conv, BatchNormalization, Resize, Concat, Split, Gemm, Reshape... each once
/// or more; what a row breaks is found by operator or name.
onnx::ModelProto Sound(const std::string& op) {
  if (op == "Resize") return testing::UNet(ZooWeights::kFull, false);
  if (op == "ConvTranspose") return testing::UNet(ZooWeights::kFull, true);
  if (op == "Transpose") return testing::ChannelShuffle(ZooWeights::kFull);
  if (op == "Constant") return testing::ConstantNodes(ZooWeights::kFull);
  if (op == "If") return testing::IfBodies(ZooWeights::kFull);
  if (op == "Gemm" || op == "MaxPool") return testing::FlattenAndDense(ZooWeights::kFull);
  return testing::CrossStagePartial(ZooWeights::kFull);
}

onnx::NodeProto& Node(onnx::ModelProto& model, const std::string& op) {
  for (auto& node : *model.mutable_graph()->mutable_node()) {
    if (node.op_type() == op) return node;
  }
  ADD_FAILURE() << "no " << op;
  return *model.mutable_graph()->add_node();
}

onnx::AttributeProto& Attribute(onnx::NodeProto& node, const std::string& name) {
  for (auto& attribute : *node.mutable_attribute()) {
    if (attribute.name() == name) return attribute;
  }
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  return attribute;
}

Edit SetInts(const std::string& op, const std::string& name, std::vector<int64_t> values) {
  return [=](onnx::ModelProto& model) {
    onnx::AttributeProto& attribute = Attribute(Node(model, op), name);
    attribute.set_type(onnx::AttributeProto::INTS);
    attribute.mutable_ints()->Assign(values.begin(), values.end());
  };
}
Edit SetInt(const std::string& op, const std::string& name, int64_t value) {
  return [=](onnx::ModelProto& model) {
    onnx::AttributeProto& attribute = Attribute(Node(model, op), name);
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
  };
}
Edit SetFloat(const std::string& op, const std::string& name, float value) {
  return [=](onnx::ModelProto& model) {
    onnx::AttributeProto& attribute = Attribute(Node(model, op), name);
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(value);
  };
}
/// Changes the first input of `op` that is an initializer.
Edit Weight(const std::string& op, const std::function<void(onnx::TensorProto&)>& edit) {
  return [=](onnx::ModelProto& model) {
    for (const std::string& input : Node(model, op).input()) {
      for (auto& tensor : *model.mutable_graph()->mutable_initializer()) {
        if (tensor.name() == input) return edit(tensor);
      }
    }
    ADD_FAILURE() << op << " reads no initializer";
  };
}
Edit Dims(const std::string& op, std::vector<int64_t> dims) {
  return Weight(op, [=](onnx::TensorProto& tensor) {
    tensor.mutable_dims()->Assign(dims.begin(), dims.end());
  });
}

struct Row {
  std::string op;
  Edit edit;
  std::string message;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};

const std::vector<Row>& AttributeRows() {
  constexpr int64_t kHuge = int64_t{1} << 62;
  static const auto& rows = *new std::vector<Row>{
      {"Conv", SetInts("Conv", "strides", {0, 0}),
       "has 0 in the attribute 'strides'; expected 1 to"},
      {"Conv", SetInts("Conv", "strides", {1, -1}), "has -1 in the attribute 'strides'"},
      {"Conv", SetInts("Conv", "strides", {1, 1, 1}),
       "has 3 numbers in the attribute 'strides'; expected 2"},
      {"Conv", SetInts("Conv", "dilations", {0, 1}), "has 0 in the attribute 'dilations'"},
      {"Conv", SetInts("Conv", "pads", {0, 0, -1, 0}), "has -1 in the attribute 'pads'"},
      {"Conv", SetInts("Conv", "pads", {0, 0}),
       "has 2 numbers in the attribute 'pads'; expected 4"},
      {"Conv", SetInts("Conv", "kernel_shape", {0, 0}), "has 0 in the attribute 'kernel_shape'"},
      {"Conv", SetInts("Conv", "kernel_shape", {5, 5}), "has kernel_shape [5, 5] and the kernel"},
      {"Conv", SetInts("Conv", "kernel_shape", {kHuge, 3}), "in the attribute 'kernel_shape'"},
      {"Conv", SetInt("Conv", "group", 0), "has 0 in the attribute 'group'; expected 1 to"},
      {"Conv", SetInt("Conv", "group", -4), "has -4 in the attribute 'group'"},
      {"Conv", SetInt("Conv", "group", 3), "has group 3, which does not divide the 16 channels"},
      {"MaxPool", SetInts("MaxPool", "strides", {0, 2}), "has 0 in the attribute 'strides'"},
      {"MaxPool", SetInts("MaxPool", "kernel_shape", {2, 0}), "in the attribute 'kernel_shape'"},
      {"ConvTranspose", SetInts("ConvTranspose", "strides", {2, 0}), "in the attribute 'strides'"},
      {"ConvTranspose", SetInts("ConvTranspose", "output_padding", {-1, 0}), "'output_padding'"},
      {"ConvTranspose", SetInts("ConvTranspose", "output_shape", {0, 0}), "'output_shape'"},
      {"Gemm", SetInt("Gemm", "transB", 7), "has 7 in the attribute 'transB'; expected 0 to 1"},
      {"Concat", SetInt("Concat", "axis", kHuge), "in the attribute 'axis'; expected -32 to 31"},
      {"Transpose", SetInts("Transpose", "perm", {0, 0, 1, 2, 3}), "no permutation of 0 to 4"},
      {"Transpose", SetInts("Transpose", "perm", {0, 1, 2, 3, 9}), "no permutation of 0 to 4"},
      {"BatchNormalization", SetFloat("BatchNormalization", "epsilon", NAN),
       "has nan in the attribute 'epsilon'; expected a finite number"},
      {"BatchNormalization", SetInt("BatchNormalization", "training_mode", 1),
       "has training_mode 1: the file was exported for training"},
      // A type that the operator does not have is ONNX's own check.
      {"Conv", SetFloat("Conv", "auto_pad", 1), "auto_pad"},
      {"Conv",
       [](onnx::ModelProto& model) {
         *Node(model, "Conv").add_attribute() = Node(model, "Conv").attribute(0);
       },
       "has the attribute 'kernel_shape' twice"},
      {"Conv",
       [](onnx::ModelProto& model) { Attribute(Node(model, "Conv"), "group").add_floats(1); },
       "has in the attribute 'group' something else than its type says"},
      {"Conv",
       [](onnx::ModelProto& model) {
         Attribute(Node(model, "Conv"), "group").set_ref_attr_name("other");
       },
       "takes 'group' from a function's attribute"},
      {"If",
       [](onnx::ModelProto& model) {
         onnx::GraphProto& body = *Attribute(Node(model, "If"), "then_branch").mutable_g();
         onnx::NodeProto& conv = *body.mutable_node(0);
         conv.set_op_type("MaxPool");
         conv.set_name("inner");
         auto& attribute = *conv.add_attribute();
         attribute.set_name("kernel_shape");
         attribute.set_type(onnx::AttributeProto::INTS);
         attribute.add_ints(0);
         attribute.add_ints(1);
       },
       "node 'inner' (MaxPool) has 0 in the attribute 'kernel_shape'"},
  };
  return rows;
}

const std::vector<Row>& PayloadRows() {
  constexpr auto kLoss = absl::StatusCode::kDataLoss;
  static const auto& rows = *new std::vector<Row>{
      {"Resize", Weight("Resize", [](auto& t) { t.mutable_raw_data()->resize(12); }),
       "initializer 'up/scales' has 12 bytes; expected 4 elements of 4 bytes for shape [4]", kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.mutable_raw_data()->resize(18); }),
       "has 18 bytes", kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.clear_raw_data(); }), "has 0 values; expected 4",
       kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.add_float_data(1); }),
       "has its values in a field that does not belong to its type", kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.add_int64_data(1); }),
       "has its values in a field", kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.set_data_type(onnx::TensorProto::INT64); }),
       "has 16 bytes; expected 4 elements of 8", kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.clear_data_type(); }), "has element type 0",
       kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.set_data_type(17); }), "has element type 17",
       kLoss},
      {"Resize", Weight("Resize", [](auto& t) { t.mutable_segment()->set_begin(0); }),
       "is a segment of a tensor", kLoss},
      {"Conv", Dims("Conv", {int64_t{1} << 30, 3, 3, 3}), "expected 28991029248 elements", kLoss},
      {"Conv", Dims("Conv", {int64_t{1} << 40, int64_t{1} << 40, 1, 1}),
       "has no element count in 64 bits", kLoss},
      {"Conv", Dims("Conv", {-16, 3, 3, 3}), "shape [-16, 3, 3, 3] has no element count", kLoss},
      {"Conv",
       Weight("Conv",
              [](auto& t) {
                t.mutable_dims()->Set(0, int64_t{1} << 40);
                t.mutable_dims()->Set(1, 0);
                t.clear_raw_data();
              }),
       "expected dimensions of at most 65536 where there are no elements", kLoss},
      {"Constant",
       [](onnx::ModelProto& model) {
         Attribute(Node(model, "Constant"), "value").mutable_t()->mutable_raw_data()->resize(3);
       },
       "node 'scales': attribute 'value' has 3 bytes", kLoss},
      {"Conv",
       [](onnx::ModelProto& model) {
         auto* sparse = model.mutable_graph()->add_sparse_initializer();
         sparse->mutable_values()->set_name("thin");
         sparse->mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
         sparse->mutable_values()->add_dims(1000);
       },
       "sparse initializer 'thin' has 0 values; expected 1000", kLoss},
      {"Conv",
       [](onnx::ModelProto& model) {
         auto* sparse = model.mutable_graph()->add_sparse_initializer();
         sparse->mutable_values()->set_name("thin");
         sparse->mutable_values()->set_data_type(onnx::TensorProto::FLOAT);
         sparse->mutable_values()->add_dims(0);
       },
       "initializer 'thin' is sparse; expected dense ones"},
      {"If",
       [](onnx::ModelProto& model) {
         auto* tensor = Attribute(Node(model, "If"), "else_branch").mutable_g()->add_initializer();
         tensor->set_name("inner");
         tensor->set_data_type(onnx::TensorProto::FLOAT);
         tensor->add_dims(7);
         tensor->set_raw_data("1234");
       },
       "initializer 'inner' has 4 bytes; expected 7 elements", kLoss},
  };
  return rows;
}

void AddNested(onnx::GraphProto& graph, int depth) {
  if (depth == 0) return;
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type("Custom");
  node.set_domain("com.example");
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name("body");
  attribute.set_type(onnx::AttributeProto::GRAPH);
  AddNested(*attribute.mutable_g(), depth - 1);
}

const std::vector<Row>& LimitRows() {
  static const auto& rows = *new std::vector<Row>{
      {"Conv", [](onnx::ModelProto& model) { model.add_functions()->set_name("f"); },
       "functions are 1; expected none"},
      {"Conv", [](onnx::ModelProto& model) { AddNested(*model.mutable_graph(), 9); },
       "more than 8 deep"},
      {"Conv",
       [](onnx::ModelProto& model) { model.mutable_graph()->mutable_output(0)->clear_type(); },
       "value 'head'"},
      {"Conv",
       [](onnx::ModelProto& model) {
         auto* shape = model.mutable_graph()
                           ->mutable_input(0)
                           ->mutable_type()
                           ->mutable_tensor_type()
                           ->mutable_shape();
         shape->mutable_dim(2)->set_dim_value(int64_t{1} << 40);
       },
       "value 'Input' has 1099511627776 as its dimension 2; expected at most 2147483647"},
      {"Conv",
       [](onnx::ModelProto& model) {
         auto* shape = model.mutable_graph()
                           ->mutable_input(0)
                           ->mutable_type()
                           ->mutable_tensor_type()
                           ->mutable_shape();
         while (shape->dim_size() < 40) shape->add_dim()->set_dim_value(1);
       },
       "value 'Input' has 40 dimensions"},
  };
  return rows;
}

void ExpectAllRefused(const std::vector<Row>& rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    onnx::ModelProto model = Sound(rows[i].op);
    rows[i].edit(model);
    EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
                StatusIs(rows[i].code, HasSubstr(rows[i].message)))
        << "row " << i;
  }
}

TEST(MalformedTest, AttributesThatSomebodyWouldDivideByAreRefused) {
  ExpectAllRefused(AttributeRows());
}
TEST(MalformedTest, EveryTensorHasWhatItsShapeNeeds) { ExpectAllRefused(PayloadRows()); }
TEST(MalformedTest, SizesBeyondReasonAreRefused) { ExpectAllRefused(LimitRows()); }

TEST(MalformedTest, WhatTheRowsBreakIsSound) {
  for (const std::string op :
       {"Resize", "ConvTranspose", "Transpose", "Constant", "If", "Gemm", "Conv"}) {
    EXPECT_THAT(Graph::Parse(Sound(op).SerializeAsString()), IsOk()) << op;
  }
}

TEST(MalformedTest, AllProblemsAreToldAtOnce) {
  onnx::ModelProto model = Sound("Conv");
  SetInt("Conv", "group", 0)(model);
  SetInt("Concat", "axis", 99)(model);
  SetFloat("BatchNormalization", "epsilon", INFINITY)(model);
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'group'"), HasSubstr("'axis'"), HasSubstr("'epsilon'"))));
}

// Names of operators and attributes mean something in ONNX's own domain only.
TEST(MalformedTest, OperatorsOfOtherDomainsMaySayWhatTheyLike) {
  onnx::ModelProto model = Sound("Conv");
  model.add_opset_import()->set_domain("com.example");
  model.mutable_opset_import(1)->set_version(1);
  onnx::NodeProto& conv = *model.mutable_graph()->add_node();
  conv.set_op_type("Conv");
  conv.set_name("foreign");
  conv.set_domain("com.example");
  conv.add_input("Input");
  conv.add_output("foreign");
  auto* attribute = conv.add_attribute();
  attribute->set_name("group");
  attribute->set_type(onnx::AttributeProto::STRINGS);
  attribute->add_strings("all");
  onnx::NodeProto& norm = *model.mutable_graph()->add_node();
  norm = conv;
  norm.set_name("norm");
  norm.set_op_type("BatchNormalization");
  norm.set_output(0, "norm");
  norm.set_input(0, "foreign");
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(IntAttribute(*graph->FindNode("foreign"), "group", 5), 5);
  EXPECT_FALSE(IsOp(*graph->FindNode("foreign"), "Conv"));
  EXPECT_EQ(*graph->MacCount(), *Graph::Parse(Sound("Conv").SerializeAsString())->MacCount());
  EXPECT_THAT(FoldBatchNorm(*graph), IsOk());
  EXPECT_NE(graph->FindNode("norm"), nullptr);
}

TEST(MalformedTest, CountsThatOverflowAreRefusedNotWrapped) {
  onnx::ModelProto model = Sound("Conv");
  auto* shape = model.mutable_graph()
                    ->mutable_input(0)
                    ->mutable_type()
                    ->mutable_tensor_type()
                    ->mutable_shape();
  shape->mutable_dim(2)->set_dim_value(2147483647);
  shape->mutable_dim(3)->set_dim_value(2147483647);
  model.mutable_graph()->clear_output();
  *model.mutable_graph()->add_output() = model.graph().input(0);
  model.mutable_graph()->mutable_output(0)->set_name("head");
  model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->MacCount(), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("has no element count in 64 bits")));
}

TEST(MalformedTest, AKernelOfMoreAxesThanItsInputIsAContradiction) {
  testing::ZooNet net(ZooWeights::kFull);
  onnx::ModelProto model = net.ConvHead(net.Conv("a", "Input", 3, 16), 16);
  // The kernel's own rank is all that tells the window's.
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    auto& attributes = *node.mutable_attribute();
    for (int i = attributes.size() - 1; i >= 0; --i) {
      if (attributes[i].name() == "kernel_shape") attributes.DeleteSubrange(i, 1);
    }
  }
  EXPECT_THAT(Graph::Parse(model.SerializeAsString())->InferShapes(), IsOk());
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim()
      ->RemoveLast();
  const absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  const absl::Status status = graph.ok() ? graph->InferShapes().status() : graph.status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("shapes contradict each other")));
}

TEST(MalformedTest, ADomainIsImportedOnce) {
  for (const std::string domain : {"", "ai.onnx"}) {
    for (const int version : {6, 17, 99}) {
      onnx::ModelProto model = Sound("Conv");
      model.add_opset_import()->set_domain(domain);
      model.mutable_opset_import(1)->set_version(version);
      EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("opset_import has the domain 'ai.onnx' twice")));
    }
  }
}

onnx::GraphProto& Branch(onnx::ModelProto& model) {
  return *Attribute(Node(model, "If"), "then_branch").mutable_g();
}
void AddTo(onnx::GraphProto& graph, const std::string& op, const std::vector<std::string>& inputs,
           const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
}

TEST(MalformedTest, BodiesAreHeldToTheSameRules) {
  const std::vector<std::pair<Edit, std::string>> rows = {
      {[](auto& model) { AddTo(Branch(model), "Abs", {"a_relu"}, "then_branch_out"); },
       "body of node 'choose': node 'Abs' makes 'then_branch_out', a name that another"},
      {[](auto& model) { AddTo(Branch(model), "Abs", {"a_relu"}, "b_relu"); },
       "body of node 'choose': node 'Abs' makes 'b_relu', a name that another"},
      {[](auto& model) {
         AddTo(Branch(model), "Add", {"p", "q"}, "q");
         AddTo(Branch(model), "Abs", {"a_relu"}, "p");
       },
       "body of node 'choose': node 'Add' lies on a cycle"},
      {[](auto& model) { AddTo(Branch(model), "Abs", {"nothing"}, "p"); }, "reads 'nothing'"},
      {[](auto& model) { AddTo(Branch(model), "Mish", {"a_relu"}, "p"); },
       "is no operator of opset 17"},
      {[](auto& model) {
         AddTo(Branch(model), "BatchNormalization",
               {"a_relu", "a_bn/gamma", "a_bn/beta", "a_bn/moving_mean", "a_bn/moving_variance"},
               "p");
         onnx::AttributeProto& mode =
             Attribute(*Branch(model).mutable_node(1), "training_mode");
         mode.set_type(onnx::AttributeProto::INT);
         mode.set_i(1);
       },
       "has training_mode 1"},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    onnx::ModelProto model = Sound("If");
    rows[i].first(model);
    EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(rows[i].second)))
        << "row " << i;
  }
}

TEST(MalformedTest, NodesOfBodiesArePutInOrderToo) {
  onnx::ModelProto model = Sound("If");
  Branch(model).mutable_node(0)->set_input(0, "late");
  AddTo(Branch(model), "Abs", {"a_relu"}, "late");
  const absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->Check(), IsOk());
}

// PyTorch writes the flag as a Constant node.
TEST(MalformedTest, DropoutThatDropsIsRefusedHoweverItIsWritten) {
  for (const bool drops : {true, false}) {
    testing::ZooNet net(ZooWeights::kFull);
    const std::string flag =
        net().Node("Constant", "flag", {}, {{"value", Tensor::Of<bool>({}, {drops})}});
    const std::string ratio =
        net().Initializer("ratio", Tensor::Of<float>({}, std::vector<float>{0.5f}));
    const std::string x =
        net().Node("Dropout", "drop", {net.Conv("a", "Input", 3, 16), ratio, flag});
    const auto graph = Graph::Parse(net.ConvHead(x, 16).SerializeAsString());
    if (!drops) {
      EXPECT_THAT(graph, IsOk());
      continue;
    }
    EXPECT_THAT(graph, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("drops values (training_mode is true)")));
  }
  onnx::ModelProto model = Sound("If");
  AddTo(Branch(model), "Constant", {}, "flag");
  onnx::AttributeProto& value = Attribute(*Branch(model).mutable_node(1), "value");
  value.set_type(onnx::AttributeProto::TENSOR);
  *value.mutable_t() = TensorToProto("", Tensor::Of<bool>({}, {true}));
  AddTo(Branch(model), "Dropout", {"a_relu", "", "flag"}, "p");
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("(Dropout) drops values")));
  Branch(model).mutable_node(1)->set_op_type("Identity");
  Branch(model).mutable_node(1)->clear_attribute();
  Branch(model).mutable_node(1)->add_input("condition");
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("works out whether it drops values")));
}

TEST(MalformedTest, DropoutThatDropsIsRefused) {
  testing::ZooNet net(ZooWeights::kFull);
  const std::string yes = net().Initializer("yes", Tensor::Of<bool>({}, {true}));
  const std::string ratio =
      net().Initializer("ratio", Tensor::Of<float>({}, std::vector<float>{0.5f}));
  const std::string x = net().Node("Dropout", "drop", {net.Conv("a", "Input", 3, 16), ratio, yes});
  EXPECT_THAT(Graph::Parse(net.ConvHead(x, 16).SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("node 'drop' (Dropout)"), HasSubstr("model.eval()"))));
}

}  // namespace
}  // namespace trainyard::graph
