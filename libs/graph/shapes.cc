#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "libs/graph/internal/dims.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

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

/// All dimensions but the first, the batch.
Shape PerImage(const Shape& shape) {
  return shape.empty() ? Shape() : Shape(shape.begin() + 1, shape.end());
}

absl::StatusOr<int64_t> MacsOf(const std::map<std::string, Shape>& shapes,
                               const onnx::NodeProto& node) {
  TY_ASSIGN_OR_RETURN(const Shape output, KnownShape(shapes, node, node.output(0)));
  Shape factors = PerImage(output);
  if (IsOp(node, "Conv")) {
    TY_ASSIGN_OR_RETURN(const Shape kernel, KnownShape(shapes, node, node.input(1)));
    const Shape taps = PerImage(kernel);
    factors.insert(factors.end(), taps.begin(), taps.end());
  } else if (IsOp(node, "ConvTranspose")) {
    // Every input pixel meets every tap.
    TY_ASSIGN_OR_RETURN(const Shape input, KnownShape(shapes, node, node.input(0)));
    TY_ASSIGN_OR_RETURN(const Shape kernel, KnownShape(shapes, node, node.input(1)));
    factors = PerImage(input);
    const Shape taps = PerImage(kernel);
    factors.insert(factors.end(), taps.begin(), taps.end());
  } else {
    TY_ASSIGN_OR_RETURN(const Shape input, KnownShape(shapes, node, node.input(0)));
    if (input.empty()) return 0;
    const bool transposed = IsOp(node, "Gemm") && IntAttribute(node, "transA", 0) != 0;
    factors.push_back(std::max<int64_t>(transposed ? input.front() : input.back(), 1));
  }
  return ElementCount(factors);
}

}  // namespace

absl::StatusOr<std::map<std::string, Shape>> Graph::InferShapes() const {
  TY_ASSIGN_OR_RETURN(const internal::DimsByValue all, internal::InferDims(*model_));
  std::map<std::string, Shape> shapes;
  for (const auto& [value, dims] : all) {
    Shape& shape = shapes[value];
    for (const internal::Dim& dim : dims) shape.push_back(dim.size);
  }
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
    // Each has its bytes in the model (CheckPayloads), so the sum stays far below the limit.
    if (elements.ok()) count += *elements;
  }
  return count;
}

absl::StatusOr<int64_t> Graph::MacCount() const {
  TY_ASSIGN_OR_RETURN(const auto shapes, InferShapes());
  int64_t total = 0;
  for (const onnx::NodeProto* node : nodes_) {
    const bool counts = IsOp(*node, "Conv") || IsOp(*node, "ConvTranspose") ||
                        IsOp(*node, "Gemm") || IsOp(*node, "MatMul");
    if (!counts) continue;
    const absl::StatusOr<int64_t> macs = MacsOf(shapes, *node);
    if (!macs.ok()) return macs.status();
    if (__builtin_add_overflow(total, *macs, &total)) {
      return absl::InvalidArgumentError("has more multiply-accumulates than 64 bits can count");
    }
  }
  return total;
}

}  // namespace trainyard::graph
