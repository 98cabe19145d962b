#include "libs/graph/fold.h"

#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/graph/edit.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

/// The Conv that `norm` can be folded into; nullptr when there is none.
const onnx::NodeProto* FoldableConv(const Graph& graph, const onnx::NodeProto& norm) {
  if (!IsOp(norm, "BatchNormalization") || norm.input_size() < 5) return nullptr;
  // One that works with the statistics of its batch is no constant factor.
  if (IntAttribute(norm, "training_mode", 0) != 0 || norm.output_size() > 1) return nullptr;
  for (int i = 1; i < 5; ++i) {
    if (!graph.HasInitializer(norm.input(i))) return nullptr;
  }
  const std::string& value = norm.input(0);
  const onnx::NodeProto* conv = graph.Producer(value);
  if (conv == nullptr || !IsOp(*conv, "Conv")) return nullptr;
  if (graph.Consumers(value).size() != 1 || graph.IsOutput(value)) return nullptr;
  for (int i = 1; i < conv->input_size(); ++i) {
    if (!conv->input(i).empty() && !graph.HasInitializer(conv->input(i))) return nullptr;
  }
  return conv;
}

/// What a BatchNormalization does to each channel: y = x * scale + shift.
struct Affine {
  std::vector<double> scale, shift;
};

absl::StatusOr<Affine> AffineOf(const Graph& graph, const onnx::NodeProto& norm, int64_t channels) {
  std::vector<Tensor> parts;
  for (int i = 1; i < 5; ++i) {
    TY_ASSIGN_OR_RETURN(Tensor part, graph.Initializer(norm.input(i)));
    if (part.dtype() != DType::kFloat32 || part.shape() != Shape{channels}) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "'%s' is %s %s; expected f32 [%d], one value for each channel of the convolution",
          norm.input(i), NameOf(part.dtype()), ShapeText(part.shape()), channels));
    }
    parts.push_back(std::move(part));
  }
  const auto gamma = parts[0].data<float>(), beta = parts[1].data<float>();
  const auto mean = parts[2].data<float>(), variance = parts[3].data<float>();
  const double epsilon = FloatAttribute(norm, "epsilon", 1e-5f);
  Affine affine;
  for (int64_t c = 0; c < channels; ++c) {
    affine.scale.push_back(gamma[c] / std::sqrt(variance[c] + epsilon));
    affine.shift.push_back(beta[c] - mean[c] * affine.scale[c]);
  }
  return affine;
}

/// Writes the folded weights under names that only this Conv reads, and makes it read them.
absl::Status ScaleConv(Graph& graph, const std::string& conv_name, const onnx::NodeProto& norm) {
  const onnx::NodeProto& conv = *graph.FindNode(conv_name);
  TY_ASSIGN_OR_RETURN(Tensor kernel, graph.Initializer(conv.input(1)));
  if (kernel.dtype() != DType::kFloat32 || kernel.rank() < 3) {
    return absl::InvalidArgumentError(
        absl::StrFormat("kernel '%s' is %s %s; expected f32 with at least three dimensions",
                        conv.input(1), NameOf(kernel.dtype()), ShapeText(kernel.shape())));
  }
  const int64_t channels = kernel.dim(0);
  TY_ASSIGN_OR_RETURN(const Affine affine, AffineOf(graph, norm, channels));
  Tensor bias = Tensor::Zeros(DType::kFloat32, {channels});
  if (conv.input_size() > 2 && !conv.input(2).empty()) {
    TY_ASSIGN_OR_RETURN(bias, graph.Initializer(conv.input(2)));
    if (bias.dtype() != DType::kFloat32 || bias.shape() != Shape{channels}) {
      return absl::InvalidArgumentError(absl::StrFormat("bias '%s' has shape %s; expected [%d]",
                                                        conv.input(2), ShapeText(bias.shape()),
                                                        channels));
    }
  }
  const int64_t filter = channels == 0 ? 0 : kernel.size() / channels;
  for (int64_t c = 0; c < channels; ++c) {
    for (float& w : kernel.data<float>().subspan(c * filter, filter)) {
      w = static_cast<float>(w * affine.scale[c]);
    }
    float& b = bias.data<float>()[c];
    b = static_cast<float>(b * affine.scale[c] + affine.shift[c]);
  }
  const auto own_name = [&](int input, const std::string& stem) {
    const bool has = input < conv.input_size() && !conv.input(input).empty();
    const bool shared = has && (graph.Consumers(conv.input(input)).size() > 1 ||
                                graph.IsOutput(conv.input(input)));
    return has && !shared ? conv.input(input) : UnusedName(graph, absl::StrCat(conv_name, stem));
  };
  const std::string kernel_name = own_name(1, "/kernel"), bias_name = own_name(2, "/bias");
  TY_RETURN_IF_ERROR(graph.SetInitializer(kernel_name, kernel));
  TY_RETURN_IF_ERROR(graph.SetInitializer(bias_name, bias));
  for (onnx::NodeProto& node : *graph.mutable_proto().mutable_graph()->mutable_node()) {
    if (node.name() != conv_name) continue;
    node.set_input(1, kernel_name);
    if (node.input_size() < 3) node.add_input();
    node.set_input(2, bias_name);
    node.set_output(0, norm.output(0));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FoldBatchNorm(Graph& graph) {
  // One pass decides with the graph as it was: a BN behind a BN stays, as its input is no Conv's.
  std::vector<std::pair<std::string, const onnx::NodeProto*>> pairs;
  for (const onnx::NodeProto* node : graph.nodes()) {
    const onnx::NodeProto* conv = FoldableConv(graph, *node);
    if (conv != nullptr) pairs.emplace_back(conv->name(), node);
  }
  std::set<std::string> folded;
  for (const auto& [conv, norm] : pairs) {
    TY_RETURN_IF_ERROR(
        Annotate(ScaleConv(graph, conv, *norm), absl::StrCat("node '", norm->name(), "'")));
    folded.insert(norm->name());
  }
  RemoveNodes(graph, folded);
  RemoveUnusedInitializers(graph);
  return absl::OkStatus();
}

}  // namespace trainyard::graph
