#include "libs/graph/weights.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

/// Of f32; others are.
bool AreFinite(const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32) return true;
  const absl::Span<const float> values = tensor.data<float>();
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

absl::Status CheckWeights(const Graph& graph) {
  Problems problems;
  for (const onnx::NodeProto* node : graph.nodes()) {
    const std::string& op = node->op_type();
    const bool weighs = op == "Conv" || op == "ConvTranspose" || op == "Gemm" || op == "MatMul";
    if (!weighs || !IsStandard(*node)) continue;
    for (int i = 1; i < node->input_size(); ++i) {
      if (!graph.HasInitializer(node->input(i))) continue;
      const absl::StatusOr<Tensor> weights = graph.Initializer(node->input(i));
      if (!weights.ok()) continue;
      if (weights->size() == 0) {
        problems.Add(absl::StrCat("node '", node->name(), "'"),
                     "(%s) has weights of the shape %s, so it makes nothing; prune with a lower "
                     "threshold, so that every layer keeps some filters",
                     op, ShapeText(weights->shape()));
      } else if (!AreFinite(*weights)) {
        problems.Add(absl::StrCat("node '", node->name(), "'"),
                     "(%s) has weights '%s' that are not finite: the training that made them "
                     "diverged; take an earlier checkpoint or train with a lower learning rate",
                     op, node->input(i));
      }
    }
  }
  return problems.ToStatus();
}

}  // namespace trainyard::graph
