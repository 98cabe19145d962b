#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"
#include "onnx/shape_inference/implementation.h"

namespace trainyard {
namespace {

/// Larger tensors are weights, whose values no shape depends on.
constexpr int64_t kMaxShapeConstant = 4096;

int64_t DimProduct(const onnx::TensorProto& tensor) {
  int64_t count = 1;
  for (const int64_t dim : tensor.dims()) {
    if (dim <= 0) return 0;
    if (count > kMaxShapeConstant * kMaxShapeConstant) return count;
    count *= dim;
  }
  return count;
}

/// The model without the bytes of its weights, which shape inference would only copy about.
onnx::ModelProto WithoutWeights(const onnx::ModelProto& model) {
  onnx::ModelProto lean;
  lean.set_ir_version(model.ir_version());
  *lean.mutable_opset_import() = model.opset_import();
  *lean.mutable_functions() = model.functions();
  const onnx::GraphProto& graph = model.graph();
  onnx::GraphProto& copy = *lean.mutable_graph();
  copy.set_name(graph.name());
  *copy.mutable_node() = graph.node();
  *copy.mutable_input() = graph.input();
  *copy.mutable_output() = graph.output();
  *copy.mutable_value_info() = graph.value_info();
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    onnx::TensorProto& slim = *copy.add_initializer();
    if (DimProduct(tensor) <= kMaxShapeConstant) {
      slim = tensor;
      continue;
    }
    slim.set_name(tensor.name());
    slim.set_data_type(tensor.data_type());
    *slim.mutable_dims() = tensor.dims();
  }
  return lean;
}

void AddShape(const onnx::ValueInfoProto& value, std::map<std::string, Shape>& shapes) {
  if (!value.type().tensor_type().has_shape()) return;
  Shape shape;
  for (const auto& dim : value.type().tensor_type().shape().dim()) {
    shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  }
  shapes[value.name()] = std::move(shape);
}

/// The shape of `value`, whose dimensions but the first must be known.
absl::StatusOr<Shape> KnownShape(const std::map<std::string, Shape>& shapes,
                                 const onnx::NodeProto& node, const std::string& value) {
  const auto it = shapes.find(value);
  bool known = it != shapes.end();
  for (size_t i = 1; known && i < it->second.size(); ++i) known = it->second[i] >= 0;
  if (known) return it->second;
  return absl::InvalidArgumentError(absl::StrFormat(
      "node '%s' (%s): the shape of '%s' is not known; expected a fixed one but for the batch",
      node.name(), node.op_type(), value));
}

/// Elements of one image: all dimensions but the first, the batch.
int64_t PerImage(const Shape& shape) {
  int64_t count = 1;
  for (size_t i = 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

absl::StatusOr<int64_t> MacsOf(const std::map<std::string, Shape>& shapes,
                               const onnx::NodeProto& node) {
  TY_ASSIGN_OR_RETURN(const Shape output, KnownShape(shapes, node, node.output(0)));
  if (node.op_type() == "Conv") {
    TY_ASSIGN_OR_RETURN(const Shape kernel, KnownShape(shapes, node, node.input(1)));
    return PerImage(output) * PerImage(kernel);
  }
  TY_ASSIGN_OR_RETURN(const Shape input, KnownShape(shapes, node, node.input(0)));
  if (node.op_type() == "ConvTranspose") {
    TY_ASSIGN_OR_RETURN(const Shape kernel, KnownShape(shapes, node, node.input(1)));
    return PerImage(input) * PerImage(kernel);
  }
  if (input.empty()) return 0;
  const bool transposed = node.op_type() == "Gemm" && IntAttribute(node, "transA", 0) != 0;
  const int64_t depth = transposed ? input.front() : input.back();
  return PerImage(output) * std::max<int64_t>(depth, 1);
}

}  // namespace

absl::StatusOr<std::map<std::string, Shape>> Graph::InferShapes() const {
  onnx::ModelProto lean = WithoutWeights(*model_);
  try {
    const onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict_mode=*/1,
                                              /*enable_data_propagation=*/true);
    onnx::shape_inference::InferShapes(lean, onnx::OpSchemaRegistry::Instance(), options);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shapes contradict each other: ",
        absl::StrJoin(absl::StrSplit(error.what(), '\n', absl::SkipWhitespace()), " ")));
  }
  std::map<std::string, Shape> shapes;
  for (const auto& tensor : lean.graph().initializer()) {
    shapes[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
  }
  for (const auto& value : lean.graph().value_info()) AddShape(value, shapes);
  for (const auto& value : lean.graph().input()) AddShape(value, shapes);
  for (const auto& value : lean.graph().output()) AddShape(value, shapes);
  return shapes;
}

int64_t Graph::ParameterCount() const {
  int64_t count = 0;
  for (const onnx::TensorProto& tensor : model_->graph().initializer()) {
    const int32_t type = tensor.data_type();
    const bool floating = type == onnx::TensorProto::FLOAT || type == onnx::TensorProto::DOUBLE ||
                          type == onnx::TensorProto::FLOAT16 || type == onnx::TensorProto::BFLOAT16;
    if (!floating || Consumers(tensor.name()).empty()) continue;
    const absl::StatusOr<int64_t> elements =
        ElementCount(Shape(tensor.dims().begin(), tensor.dims().end()));
    if (elements.ok()) count += *elements;
  }
  return count;
}

absl::StatusOr<int64_t> Graph::MacCount() const {
  TY_ASSIGN_OR_RETURN(const auto shapes, InferShapes());
  int64_t total = 0;
  for (const onnx::NodeProto* node : nodes_) {
    const std::string& op = node->op_type();
    if (op != "Conv" && op != "ConvTranspose" && op != "Gemm" && op != "MatMul") continue;
    TY_ASSIGN_OR_RETURN(const int64_t macs, MacsOf(shapes, *node));
    total += macs;
  }
  return total;
}

}  // namespace trainyard
