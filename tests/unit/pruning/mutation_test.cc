#include <array>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/graph/fold.h"
#include "libs/pruning/prune.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::pruning {
namespace {

using ::trainyard::testing::IsOk;
using ::trainyard::testing::Zoo;
using ::trainyard::testing::ZooWeights;

/// Makes random changes to a model in the terms of its format, where random bytes seldom get.
class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed, 0, 0, RandomPurpose::kSampleData) {}

  uint64_t Below(uint64_t n) { return n == 0 ? 0 : random_.Below(n); }

  void Change(onnx::ModelProto& model) {
    onnx::GraphProto& graph = *model.mutable_graph();
    if (graph.node_size() == 0) return;
    switch (Below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return ChangeAttribute(AnyNode(graph));
      case 4:
      case 5:
      case 6:
        return ChangeTensor(graph);
      case 7:
        return Rewire(graph);
      case 8:
        return ChangeOperator(AnyNode(graph));
      case 9:
        return ChangeDimension(graph);
      case 10:
        return AddOrRemove(graph);
      case 11:
        return ChangeImport(model);
      case 12:
        model.set_ir_version(static_cast<int64_t>(3 + Below(6)));
        return;
      case 13:
        AnyNode(graph).set_name(AnyNode(graph).name());
        return;
    }
  }

 private:
  int64_t Number() {
    static constexpr std::array<int64_t, 20> kNumbers = {-1,
                                                         0,
                                                         1,
                                                         2,
                                                         3,
                                                         4,
                                                         5,
                                                         7,
                                                         8,
                                                         12,
                                                         15,
                                                         16,
                                                         17,
                                                         32,
                                                         -2,
                                                         -33,
                                                         1 << 16,
                                                         std::numeric_limits<int32_t>::max(),
                                                         std::numeric_limits<int64_t>::max(),
                                                         std::numeric_limits<int64_t>::min()};
    return kNumbers[Below(kNumbers.size())];
  }
  float Real() {
    static constexpr std::array<float, 7> kReals = {0,
                                                    1,
                                                    -1,
                                                    0.5f,
                                                    1e30f,
                                                    std::numeric_limits<float>::infinity(),
                                                    std::numeric_limits<float>::quiet_NaN()};
    return kReals[Below(kReals.size())];
  }
  onnx::NodeProto& AnyNode(onnx::GraphProto& graph) {
    onnx::NodeProto& node = *graph.mutable_node(static_cast<int>(Below(graph.node_size())));
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g() && attribute.g().node_size() > 0 && Below(2) == 0) {
        return AnyNode(*attribute.mutable_g());
      }
    }
    return node;
  }
  std::string AnyValue(const onnx::GraphProto& graph) {
    const onnx::NodeProto& node = graph.node(static_cast<int>(Below(graph.node_size())));
    if (node.input_size() > 0 && Below(2) == 0) {
      return node.input(static_cast<int>(Below(node.input_size())));
    }
    return node.output_size() > 0 ? node.output(0) : "";
  }

  /// Now and then one more of a domain, by either of its names.
  void ChangeImport(onnx::ModelProto& model) {
    const int count = model.opset_import_size();
    const bool adds = Below(3) == 0;
    onnx::OperatorSetIdProto& entry =
        adds ? *model.add_opset_import()
             : *model.mutable_opset_import(static_cast<int>(Below(count)));
    if (adds && Below(2) == 0) entry.set_domain(Below(2) == 0 ? "ai.onnx" : "com.example");
    entry.set_version(static_cast<int64_t>(Below(4) == 0 ? Below(100) : 11 + Below(7)));
  }
  void ChangeAttribute(onnx::NodeProto& node) {
    static const std::array<const char*, 16> kNames = {
        "group", "strides",  "pads",      "dilations",   "kernel_shape", "axis",
        "axes",  "perm",     "transA",    "transB",      "split",        "auto_pad",
        "mode",  "keepdims", "allowzero", "output_shape"};
    if (node.attribute_size() == 0 || Below(4) == 0) {
      onnx::AttributeProto& attribute = *node.add_attribute();
      attribute.set_name(kNames[Below(kNames.size())]);
      attribute.set_type(Below(2) == 0 ? onnx::AttributeProto::INT : onnx::AttributeProto::INTS);
      if (attribute.type() == onnx::AttributeProto::INT) attribute.set_i(Number());
      return ChangeInts(attribute);
    }
    const int at = static_cast<int>(Below(node.attribute_size()));
    onnx::AttributeProto& attribute = *node.mutable_attribute(at);
    switch (Below(6)) {
      case 0:
        node.mutable_attribute()->DeleteSubrange(at, 1);
        return;
      case 1:
        attribute.set_type(static_cast<onnx::AttributeProto::AttributeType>(Below(12)));
        return;
      case 2:
        if (attribute.has_s()) attribute.set_s(Below(2) == 0 ? "SAME_UPPER" : "nonsense");
        if (attribute.has_f()) attribute.set_f(Real());
        if (attribute.has_i()) attribute.set_i(Number());
        if (attribute.has_t()) ChangeTensor(*attribute.mutable_t());
        return;
      default:
        if (attribute.has_i()) attribute.set_i(Number());
        return ChangeInts(attribute);
    }
  }
  void ChangeInts(onnx::AttributeProto& attribute) {
    if (attribute.type() != onnx::AttributeProto::INTS) return;
    if (attribute.ints_size() > 0 && Below(3) > 0) {
      attribute.set_ints(static_cast<int>(Below(attribute.ints_size())), Number());
    } else if (Below(2) == 0) {
      attribute.add_ints(Number());
    } else {
      attribute.clear_ints();
    }
  }
  void ChangeTensor(onnx::GraphProto& graph) {
    if (graph.initializer_size() == 0) return;
    ChangeTensor(*graph.mutable_initializer(static_cast<int>(Below(graph.initializer_size()))));
  }
  void ChangeTensor(onnx::TensorProto& tensor) {
    std::string& raw = *tensor.mutable_raw_data();
    switch (Below(7)) {
      case 0:
        raw.resize(Below(raw.size() + 1));
        return;
      case 1:
        if (tensor.dims_size() > 0) {
          tensor.set_dims(static_cast<int>(Below(tensor.dims_size())), Number());
        }
        return;
      case 2: {
        // Shape and bytes that agree, but not with the graph.
        if (tensor.dims_size() == 0 || tensor.dims(0) < 1) return;
        const size_t row = raw.size() / tensor.dims(0);
        const auto rows = static_cast<int64_t>(Below(tensor.dims(0) + 3));
        raw.resize(row * rows);
        tensor.set_dims(0, rows);
        return;
      }
      case 3:
        tensor.set_data_type(static_cast<int32_t>(Below(18)));
        return;
      case 4: {
        // Other numbers: shapes, axes and scales are among them.
        if (raw.size() < 8) return;
        const int64_t number = Number();
        std::memcpy(raw.data() + 8 * Below(raw.size() / 8), &number, 8);
        return;
      }
      case 5: {
        const float number = Real();
        if (raw.size() >= 4) std::memcpy(raw.data() + 4 * Below(raw.size() / 4), &number, 4);
        return;
      }
      case 6:
        if (tensor.dims_size() > 1) tensor.mutable_dims()->SwapElements(0, tensor.dims_size() - 1);
        return;
    }
  }
  void Rewire(onnx::GraphProto& graph) {
    onnx::NodeProto& node = AnyNode(graph);
    if (node.input_size() == 0 || Below(5) == 0) {
      node.add_input(AnyValue(graph));
      return;
    }
    const int at = static_cast<int>(Below(node.input_size()));
    if (Below(4) == 0) {
      node.mutable_input()->DeleteSubrange(at, 1);
    } else {
      node.set_input(at, Below(5) == 0 ? "" : AnyValue(graph));
    }
  }
  void ChangeOperator(onnx::NodeProto& node) {
    static const std::array<const char*, 34> kOperators = {"Conv",
                                                           "ConvTranspose",
                                                           "Gemm",
                                                           "MatMul",
                                                           "BatchNormalization",
                                                           "Relu",
                                                           "Add",
                                                           "Concat",
                                                           "Split",
                                                           "Resize",
                                                           "Reshape",
                                                           "Flatten",
                                                           "Transpose",
                                                           "Shape",
                                                           "Gather",
                                                           "Unsqueeze",
                                                           "Squeeze",
                                                           "Slice",
                                                           "MaxPool",
                                                           "AveragePool",
                                                           "Pad",
                                                           "Softmax",
                                                           "ReduceMean",
                                                           "Expand",
                                                           "Tile",
                                                           "Range",
                                                           "TopK",
                                                           "Where",
                                                           "ConstantOfShape",
                                                           "DepthToSpace",
                                                           "NonMaxSuppression",
                                                           "Loop",
                                                           "If",
                                                           "Constant"};
    if (Below(4) == 0) {
      node.set_domain(Below(2) == 0 ? "com.example" : "ai.onnx");
    } else {
      node.set_op_type(kOperators[Below(kOperators.size())]);
    }
    if (Below(2) == 0) node.clear_attribute();
  }
  void ChangeDimension(onnx::GraphProto& graph) {
    onnx::ValueInfoProto* value =
        Below(2) == 0 && graph.output_size() > 0 ? graph.mutable_output(0) : graph.mutable_input(0);
    auto* type = value->mutable_type()->mutable_tensor_type();
    if (Below(8) == 0) type->set_elem_type(static_cast<int32_t>(Below(18)));
    auto* shape = type->mutable_shape();
    if (shape->dim_size() == 0 || Below(6) == 0) {
      shape->add_dim()->set_dim_value(Number());
    } else if (Below(6) == 0) {
      shape->mutable_dim()->RemoveLast();
    } else {
      shape->mutable_dim(static_cast<int>(Below(shape->dim_size())))->set_dim_value(Number());
    }
  }
  void AddOrRemove(onnx::GraphProto& graph) {
    const int at = static_cast<int>(Below(graph.node_size()));
    if (Below(2) == 0) {
      graph.mutable_node()->DeleteSubrange(at, 1);
    } else {
      onnx::NodeProto copy = graph.node(at);
      for (std::string& output : *copy.mutable_output()) output += "_again";
      *graph.add_node() = std::move(copy);
    }
  }

  Philox random_;
};

/// Everything that a service does with a graph that somebody sent. Whatever the answers are, they
/// are answers.
bool UseAsAServiceDoes(const std::string& bytes, Mutator& mutator) {
  absl::StatusOr<graph::Graph> graph = graph::Graph::Parse(bytes);
  if (!graph.ok()) {
    EXPECT_FALSE(graph.status().message().empty());
    return false;
  }
  EXPECT_THAT(graph->Check(), IsOk()) << "what loads is sound";
  graph->InferShapes().status().IgnoreError();
  graph->MacCount().status().IgnoreError();
  EXPECT_GE(graph->ParameterCount(), 0);
  for (const std::string& name : graph->InitializerNames()) {
    graph->Initializer(name).status().IgnoreError();
  }
  graph::Graph folded = graph->Clone();
  graph::FoldBatchNorm(folded).IgnoreError();
  const Model model{*std::move(graph), {}};
  const PruneOptions options{.granularity = 1 + static_cast<int64_t>(mutator.Below(3)),
                             .threshold = 0.1 * static_cast<double>(mutator.Below(12)),
                             .min_filters = static_cast<int64_t>(mutator.Below(3))};
  const absl::StatusOr<PruneResult> pruned = Prune(model, options);
  if (pruned.ok()) {
    EXPECT_THAT(pruned->model.graph.Check(), IsOk());
    EXPECT_LE(pruned->parameters_after, pruned->parameters_before);
    EXPECT_THAT(graph::Graph::Parse(pruned->model.graph.Serialize()), IsOk());
  }
  return pruned.ok();
}

TEST(MutationTest, WhatAFileSaysIsAnswered) {
  std::vector<onnx::ModelProto> zoo;
  for (const auto& one : Zoo()) zoo.push_back(one.build(ZooWeights::kFull));
  int answered = 0;
  constexpr int kRounds = 2000;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    Mutator mutator(static_cast<uint64_t>(round));
    onnx::ModelProto model = zoo[mutator.Below(zoo.size())];
    for (uint64_t i = 0; i <= mutator.Below(3); ++i) mutator.Change(model);
    answered += UseAsAServiceDoes(model.SerializeAsString(), mutator);
  }
  EXPECT_GT(answered, kRounds / 20) << "too few changes leave a model that works: test less wildly";
}

}  // namespace
}  // namespace trainyard::pruning
