#include "libs/quantization/written_out.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/graph/edit.h"
#include "libs/quantization/layers.h"
#include "onnx/onnx_pb.h"

namespace trainyard::quantization {
namespace {

/// Values of a constant of u8, s8, s32 (biases) or f32.
absl::StatusOr<std::vector<float>> ConstantValues(const graph::Graph& graph,
                                                  const onnx::NodeProto& node, int input) {
  const std::string name = node.input_size() > input ? node.input(input) : "";
  const absl::StatusOr<Tensor> tensor = graph.Initializer(name);
  if (!tensor.ok()) {
    return absl::UnimplementedError(absl::StrCat("node '", node.name(), "' (", node.op_type(),
                                                 "): '", name, "' is no constant"));
  }
  std::vector<float> values;
  const Tensor& constant = *tensor;
  if (constant.dtype() == DType::kFloat32) {
    values.assign(constant.data<float>().begin(), constant.data<float>().end());
  } else if (constant.dtype() == DType::kInt8) {
    values.assign(constant.data<int8_t>().begin(), constant.data<int8_t>().end());
  } else if (constant.dtype() == DType::kUInt8) {
    values.assign(constant.data<uint8_t>().begin(), constant.data<uint8_t>().end());
  } else if (constant.dtype() == DType::kInt32) {
    values.assign(constant.data<int32_t>().begin(), constant.data<int32_t>().end());
  } else {
    return absl::UnimplementedError(
        absl::StrCat("node '", node.name(), "': '", name, "' is ", NameOf(constant.dtype())));
  }
  return values;
}

/// An absent zero point is 0, and that of a QuantizeLinear is u8.
bool HasZeroPoint(const onnx::NodeProto& node) {
  return node.input_size() > 2 && !node.input(2).empty();
}

absl::StatusOr<std::vector<float>> ZeroPoints(const graph::Graph& graph,
                                              const onnx::NodeProto& node, size_t count) {
  if (!HasZeroPoint(node)) return std::vector<float>(count, 0);
  return ConstantValues(graph, node, 2);
}

/// The axis of a DequantizeLinear; -1 when the values have none of that number.
int64_t StepAxis(const onnx::NodeProto& node, const Shape& shape) {
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t axis = graph::IntAttribute(node, "axis", 1);
  return axis >= -rank && axis < rank ? (axis + rank) % rank : -1;
}

/// Step and zero point of a pair at an activation.
struct Pair {
  float scale = 1;
  float zero = 0;
  bool is_signed = true;
};

absl::StatusOr<Pair> PairOf(const graph::Graph& graph, const onnx::NodeProto& node) {
  TY_ASSIGN_OR_RETURN(const std::vector<float> scale, ConstantValues(graph, node, 1));
  TY_ASSIGN_OR_RETURN(const std::vector<float> zero, ZeroPoints(graph, node, scale.size()));
  if (scale.size() != 1 || zero.size() != 1) {
    return absl::UnimplementedError(absl::StrCat("node '", node.name(), "' (", node.op_type(),
                                                 ") has ", scale.size(), " steps; expected one"));
  }
  if (!HasZeroPoint(node)) return Pair{scale[0], 0, false};
  TY_ASSIGN_OR_RETURN(const Tensor type, graph.Initializer(node.input(2)));
  return Pair{scale[0], zero[0], type.dtype() == DType::kInt8};
}

/// Rewrites one graph. Used once.
class Writer {
 public:
  explicit Writer(const graph::Graph& quantized) : source_(quantized), result_(quantized.Clone()) {}

  absl::StatusOr<graph::Graph> Write() {
    graph().clear_node();
    for (const onnx::NodeProto* node : source_.nodes()) {
      if (graph::IsOp(*node, "QuantizeLinear")) {
        TY_RETURN_IF_ERROR(WriteRounding(*node));
      } else if (graph::IsOp(*node, "DequantizeLinear") && source_.HasInitializer(node->input(0))) {
        TY_RETURN_IF_ERROR(WriteKernel(*node));
      } else if (graph::IsOp(*node, "DequantizeLinear")) {
        TY_ASSIGN_OR_RETURN(const Pair pair, PairOf(source_, *node));
        AddNode("Mul", node->name(), {node->input(0), Scalar(node->name(), "step", pair.scale)},
                node->output(0));
      } else {
        *graph().add_node() = *node;
      }
    }
    result_.Reindex();
    graph::RemoveUnusedInitializers(result_);
    return std::move(result_);
  }

 private:
  onnx::GraphProto& graph() { return *result_.mutable_proto().mutable_graph(); }

  absl::Status WriteRounding(const onnx::NodeProto& node) {
    TY_ASSIGN_OR_RETURN(const Pair pair, PairOf(source_, node));
    const float low = (pair.is_signed ? -128.0f : 0.0f) - pair.zero;
    const float high = (pair.is_signed ? 127.0f : 255.0f) - pair.zero;
    const std::string& name = node.name();
    const std::string steps = graph::UnusedName(source_, absl::StrCat(name, "/steps"));
    const std::string whole = graph::UnusedName(source_, absl::StrCat(name, "/whole"));
    AddNode("Div", steps, {node.input(0), Scalar(name, "step", pair.scale)}, steps);
    AddNode("Round", whole, {steps}, whole);
    AddNode("Clip", name, {whole, Scalar(name, "low", low), Scalar(name, "high", high)},
            node.output(0));
    return absl::OkStatus();
  }

  absl::Status WriteKernel(const onnx::NodeProto& node) {
    TY_ASSIGN_OR_RETURN(const std::vector<float> steps, ConstantValues(source_, node, 0));
    TY_ASSIGN_OR_RETURN(const std::vector<float> scales, ConstantValues(source_, node, 1));
    TY_ASSIGN_OR_RETURN(const std::vector<float> zeros, ZeroPoints(source_, node, scales.size()));
    TY_ASSIGN_OR_RETURN(const Tensor stored, source_.Initializer(node.input(0)));
    const int64_t axis = StepAxis(node, stored.shape());
    const bool single = scales.size() == 1;
    const bool each = axis >= 0 && static_cast<int64_t>(scales.size()) == stored.dim(axis);
    if ((!single && !each) || zeros.size() != scales.size()) {
      return absl::UnimplementedError(absl::StrCat(
          "node '", node.name(), "' has ", scales.size(), " steps for values of shape ",
          ShapeText(stored.shape()), "; expected one, or one for each index of its axis"));
    }
    TY_ASSIGN_OR_RETURN(Tensor kernel, Tensor::Create(DType::kFloat32, stored.shape()));
    const absl::Span<float> values = kernel.data<float>();
    if (single) {
      for (size_t i = 0; i < steps.size(); ++i) values[i] = (steps[i] - zeros[0]) * scales[0];
    } else {
      ForEachElement(stored.shape(), axis, [&](int64_t i, int64_t channel) {
        values[i] = (steps[i] - zeros[channel]) * scales[channel];
      });
    }
    *graph().add_initializer() = graph::TensorToProto(node.output(0), kernel);
    return absl::OkStatus();
  }

  std::string Scalar(const std::string& node, const char* what, float value) {
    const std::string name = graph::UnusedName(source_, absl::StrCat(node, "/", what, "/value"));
    *graph().add_initializer() = graph::TensorToProto(name, Tensor::Of<float>({}, {value}));
    return name;
  }

  void AddNode(const std::string& type, const std::string& name,
               const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *graph().add_node();
    node.set_op_type(type);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
  }

  const graph::Graph& source_;
  graph::Graph result_;
};

}  // namespace

absl::StatusOr<graph::Graph> WithRoundingWrittenOut(const graph::Graph& quantized) {
  return Writer(quantized).Write();
}

}  // namespace trainyard::quantization
