#include "libs/quantization/sign.h"

#include <algorithm>

#include "onnx/onnx_pb.h"

namespace trainyard::quantization {
namespace {

using Names = std::set<std::string>;

/// Whatever their input is.
bool MakesNoNegatives(const graph::Graph& graph, const onnx::NodeProto& node) {
  static const auto& makers =
      *new Names{"Abs", "Exp", "HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt"};
  if (makers.contains(node.op_type())) return true;
  if (node.op_type() != "Clip" || node.input_size() < 2) return false;
  const absl::StatusOr<Tensor> low = graph.Initializer(node.input(1));
  return low.ok() && low->dtype() == DType::kFloat32 && low->size() == 1 &&
         std::as_const(*low).data<float>()[0] >= 0;
}

/// Inputs whose values come out again, or sums, products and means of them: the first ones up to
/// this number; -1 for all; 0 for other nodes.
int InputsThatPass(const onnx::NodeProto& node) {
  static const auto& of_all = *new Names{"Add", "Concat", "Max", "Mean", "Mul", "Sum"};
  static const auto& of_one = *new Names{"AveragePool",
                                         "Clip",
                                         "Dropout",
                                         "Expand",
                                         "Flatten",
                                         "Gather",
                                         "GlobalAveragePool",
                                         "GlobalMaxPool",
                                         "Identity",
                                         "MaxPool",
                                         "ReduceMax",
                                         "ReduceMean",
                                         "ReduceSum",
                                         "Reshape",
                                         "Slice",
                                         "SpaceToDepth",
                                         "DepthToSpace",
                                         "Split",
                                         "Squeeze",
                                         "Tile",
                                         "Transpose",
                                         "Unsqueeze"};
  if (of_all.contains(node.op_type())) return -1;
  if (of_one.contains(node.op_type())) return 1;
  // A cubic one overshoots.
  const bool resizes = node.op_type() == "Resize" || node.op_type() == "Upsample";
  if (resizes && graph::StringAttribute(node, "mode", "nearest") != "cubic") return 1;
  // Of constants only: the value it pads with is 0 unless an input says otherwise.
  if (node.op_type() == "Pad" && node.input_size() < 3) return 1;
  return 0;
}

bool IsNonNegativeConstant(const graph::Graph& graph, const std::string& name) {
  const absl::StatusOr<Tensor> tensor = graph.Initializer(name);
  if (!tensor.ok() || tensor->dtype() != DType::kFloat32) return false;
  const absl::Span<const float> values = std::as_const(*tensor).data<float>();
  return std::all_of(values.begin(), values.end(), [](float value) { return value >= 0; });
}

}  // namespace

std::set<std::string> NeverNegative(const graph::Graph& graph) {
  Names never;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (!graph::IsStandard(*node)) continue;
    bool holds = MakesNoNegatives(graph, *node);
    if (const int passing = InputsThatPass(*node); !holds && passing != 0) {
      const int count = passing < 0 ? node->input_size() : std::min(passing, node->input_size());
      holds = count > 0 && std::all_of(node->input().begin(), node->input().begin() + count,
                                       [&](const std::string& input) {
                                         return never.contains(input) ||
                                                IsNonNegativeConstant(graph, input);
                                       });
    }
    if (holds) never.insert(node->output().begin(), node->output().end());
  }
  return never;
}

}  // namespace trainyard::quantization
