#include "libs/quantization/activation_outputs.h"

#include <algorithm>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/digest.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/quantization/layers.h"
#include "onnx/onnx_pb.h"

namespace trainyard::quantization {
namespace {

std::vector<std::string> NodeOutputs(const graph::Graph& graph) {
  std::vector<std::string> names;
  for (const onnx::NodeProto* node : graph.nodes()) {
    names.insert(names.end(), node->output().begin(), node->output().end());
  }
  return names;
}

}  // namespace

absl::StatusOr<graph::Graph> WithActivationOutputs(const graph::Graph& graph,
                                                   absl::Span<const std::string> names) {
  const std::vector<std::string> inputs = graph.InputNames();
  graph::Graph result = graph.Clone();
  Problems problems;
  std::vector<std::string> added;
  for (const std::string& name : names) {
    const bool is_input = std::find(inputs.begin(), inputs.end(), name) != inputs.end();
    const bool is_added = std::find(added.begin(), added.end(), name) != added.end();
    if (is_input || is_added || graph.IsOutput(name)) continue;
    if (graph.Producer(name) == nullptr) {
      problems.Add("tensor", "'%s' is made by no node%s", name,
                   DidYouMean(name, NodeOutputs(graph)));
      continue;
    }
    onnx::ValueInfoProto* output = result.mutable_proto().mutable_graph()->add_output();
    output->set_name(name);
    output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    added.push_back(name);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus(absl::StatusCode::kNotFound));
  result.Reindex();
  return result;
}

std::string WeightsDigest(const graph::Graph& graph) {
  Sha256 digest;
  bool any = false;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (!HasKernel(*node) || !graph.HasInitializer(node->input(1))) continue;
    const absl::StatusOr<Tensor> kernel = graph.Initializer(node->input(1));
    if (!kernel.ok()) continue;
    const Tensor& tensor = *kernel;
    digest.Update(
        {static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.size_bytes())});
    any = true;
  }
  return any ? digest.HexDigest() : "";
}

}  // namespace trainyard::quantization
