#include "libs/graph/internal/dims.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "onnx/shape_inference/implementation.h"

namespace trainyard::graph::internal {
namespace {

/// Larger tensors are weights, whose values no shape depends on.
constexpr int64_t kMaxShapeConstant = 4096;
/// No dimension of a real network comes near; beyond it, sums and products are not to be trusted.
constexpr int64_t kMaxDim = int64_t{1} << 40;
/// A domain that the library knows nothing of.
constexpr char kOpaque[] = "trainyard.opaque";

/// Whose inference was tried with damaged graphs. Others (Loop, Scan, Einsum, signal processing)
/// are rare in networks that see, and not worth the trust.
const std::set<std::string>& KnownOperators() {
  static const auto& names = *new std::set<std::string>{"Abs",
                                                        "Acos",
                                                        "Add",
                                                        "And",
                                                        "ArgMax",
                                                        "ArgMin",
                                                        "Asin",
                                                        "Atan",
                                                        "AveragePool",
                                                        "BatchNormalization",
                                                        "Cast",
                                                        "Ceil",
                                                        "Celu",
                                                        "Clip",
                                                        "Concat",
                                                        "Constant",
                                                        "ConstantOfShape",
                                                        "Conv",
                                                        "ConvTranspose",
                                                        "Cos",
                                                        "CumSum",
                                                        "DepthToSpace",
                                                        "DequantizeLinear",
                                                        "Div",
                                                        "Dropout",
                                                        "Elu",
                                                        "Equal",
                                                        "Erf",
                                                        "Exp",
                                                        "Expand",
                                                        "Flatten",
                                                        "Floor",
                                                        "Gather",
                                                        "Gemm",
                                                        "GlobalAveragePool",
                                                        "GlobalLpPool",
                                                        "GlobalMaxPool",
                                                        "Greater",
                                                        "GreaterOrEqual",
                                                        "HardSigmoid",
                                                        "HardSwish",
                                                        "Identity",
                                                        "If",
                                                        "InstanceNormalization",
                                                        "LRN",
                                                        "LayerNormalization",
                                                        "LeakyRelu",
                                                        "Less",
                                                        "LessOrEqual",
                                                        "Log",
                                                        "LogSoftmax",
                                                        "LpNormalization",
                                                        "LpPool",
                                                        "MatMul",
                                                        "Max",
                                                        "MaxPool",
                                                        "Mean",
                                                        "Min",
                                                        "Mod",
                                                        "Mul",
                                                        "Neg",
                                                        "NonMaxSuppression",
                                                        "Not",
                                                        "Or",
                                                        "PRelu",
                                                        "Pad",
                                                        "Pow",
                                                        "QuantizeLinear",
                                                        "Range",
                                                        "Reciprocal",
                                                        "ReduceL1",
                                                        "ReduceL2",
                                                        "ReduceMax",
                                                        "ReduceMean",
                                                        "ReduceMin",
                                                        "ReduceProd",
                                                        "ReduceSum",
                                                        "ReduceSumSquare",
                                                        "Relu",
                                                        "Reshape",
                                                        "Resize",
                                                        "Round",
                                                        "Selu",
                                                        "Shape",
                                                        "Sigmoid",
                                                        "Sign",
                                                        "Sin",
                                                        "Size",
                                                        "Slice",
                                                        "Softmax",
                                                        "Softplus",
                                                        "Softsign",
                                                        "SpaceToDepth",
                                                        "Split",
                                                        "Sqrt",
                                                        "Squeeze",
                                                        "Sub",
                                                        "Sum",
                                                        "Tan",
                                                        "Tanh",
                                                        "ThresholdedRelu",
                                                        "Tile",
                                                        "TopK",
                                                        "Transpose",
                                                        "Unsqueeze",
                                                        "Where",
                                                        "Xor"};
  return names;
}

void Hide(onnx::NodeProto& node) {
  node.set_domain(kOpaque);
  node.clear_attribute();
}

void HideUnknownOperators(onnx::GraphProto& graph) {
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (!IsStandard(node) || !KnownOperators().contains(node.op_type())) {
      Hide(node);
      continue;
    }
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) HideUnknownOperators(*attribute.mutable_g());
      for (auto& body : *attribute.mutable_graphs()) HideUnknownOperators(body);
    }
  }
}

using KernelShapes = std::map<std::string, Shape, std::less<>>;

KernelShapes ShapesOf(const onnx::GraphProto& graph) {
  KernelShapes shapes;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    shapes[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
  }
  return shapes;
}

/// Gives each convolution its kernel_shape. The library trusts the rank of a kernel that stands in its
/// place and reads beyond the input's dimensions when the two differ; an attribute it compares. A
/// convolution whose kernel is worked out and that states no shape is hidden.
void StateKernelShapes(onnx::GraphProto& graph, KernelShapes kernels) {
  for (const auto& [name, shape] : ShapesOf(graph)) kernels[name] = shape;
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) StateKernelShapes(*attribute.mutable_g(), kernels);
      for (auto& body : *attribute.mutable_graphs()) StateKernelShapes(body, kernels);
    }
    const bool convolves = IsOp(node, "Conv") || IsOp(node, "ConvTranspose");
    if (!convolves || !IntsAttribute(node, "kernel_shape", {}).empty()) continue;
    const auto kernel = node.input_size() > 1 ? kernels.find(node.input(1)) : kernels.end();
    if (kernel == kernels.end() || kernel->second.size() < 3) {
      Hide(node);
      continue;
    }
    onnx::AttributeProto& shape = *node.add_attribute();
    shape.set_name("kernel_shape");
    shape.set_type(onnx::AttributeProto::INTS);
    for (size_t i = 2; i < kernel->second.size(); ++i) shape.add_ints(kernel->second[i]);
  }
}

bool IsSmall(const onnx::TensorProto& tensor) {
  const auto count = ElementCount(Shape(tensor.dims().begin(), tensor.dims().end()));
  return count.ok() && *count <= kMaxShapeConstant;
}

/// What the file says of the values that hidden operators make. What it says of others is left out:
/// it may be older than the graph, and inference knows.
void StateHiddenShapes(const onnx::GraphProto& graph, onnx::GraphProto& copy) {
  std::set<std::string> hidden;
  for (const onnx::NodeProto& node : copy.node()) {
    if (node.domain() == kOpaque) hidden.insert(node.output().begin(), node.output().end());
  }
  for (const onnx::ValueInfoProto& value : graph.value_info()) {
    if (hidden.contains(value.name())) *copy.add_value_info() = value;
  }
}

/// The model as shape inference needs it: weights are inputs of their shape, so that their bytes
/// are neither copied nor looked at.
onnx::ModelProto LeanModel(const onnx::ModelProto& model) {
  onnx::ModelProto lean;
  lean.set_ir_version(model.ir_version());
  *lean.mutable_opset_import() = model.opset_import();
  auto* opaque = lean.add_opset_import();
  opaque->set_domain(kOpaque);
  opaque->set_version(1);
  const onnx::GraphProto& graph = model.graph();
  onnx::GraphProto& copy = *lean.mutable_graph();
  copy.set_name(graph.name());
  *copy.mutable_node() = graph.node();
  *copy.mutable_input() = graph.input();
  *copy.mutable_output() = graph.output();
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (IsSmall(tensor)) {
      *copy.add_initializer() = tensor;
      continue;
    }
    onnx::ValueInfoProto& weight = *copy.add_input();
    weight.set_name(tensor.name());
    auto* type = weight.mutable_type()->mutable_tensor_type();
    type->set_elem_type(tensor.data_type());
    for (const int64_t dim : tensor.dims()) type->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  HideUnknownOperators(copy);
  StateKernelShapes(copy, ShapesOf(graph));
  StateHiddenShapes(graph, copy);
  return lean;
}

absl::Status AddDims(const onnx::ValueInfoProto& value, DimsByValue& all) {
  if (!value.type().tensor_type().has_shape()) return absl::OkStatus();
  std::vector<Dim> dims;
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    dims.push_back({dim.has_dim_value() ? dim.dim_value() : -1, dim.dim_param()});
    if (dim.dim_value() >= 0 && dim.dim_value() <= kMaxDim) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("value '%s' comes to %d as its dimension %d; expected 0 to %d",
                        value.name(), dim.dim_value(), dims.size() - 1, kMaxDim));
  }
  all[value.name()] = std::move(dims);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DimsByValue> InferDims(const onnx::ModelProto& model) {
  onnx::ModelProto lean = LeanModel(model);
  try {
    // Without the library's data propagation, which dereferences types that are not known: a Shape
    // behind an operator of another domain ends the process. FoldConstants does that work.
    const onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict_mode=*/1,
                                              /*enable_data_propagation=*/false);
    onnx::shape_inference::InferShapes(lean, onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shapes contradict each other: ",
        absl::StrJoin(absl::StrSplit(error.what(), '\n', absl::SkipWhitespace()), " ")));
  }
  DimsByValue all;
  for (const auto& tensor : lean.graph().initializer()) {
    for (const int64_t dim : tensor.dims()) all[tensor.name()].push_back({dim, ""});
    all.try_emplace(tensor.name());
  }
  for (const auto* values :
       {&lean.graph().value_info(), &lean.graph().input(), &lean.graph().output()}) {
    for (const auto& value : *values) TY_RETURN_IF_ERROR(AddDims(value, all));
  }
  return all;
}

}  // namespace trainyard::graph::internal
