#include "libs/engine/openvino/unsigned_activations.h"

#include <algorithm>
#include <string>
#include <vector>

#include "libs/graph/edit.h"
#include "onnx/onnx_pb.h"

namespace trainyard::engine {
namespace {

constexpr uint8_t kMiddle = 128;

bool IsSignedZero(const graph::Graph& graph, const std::string& name) {
  const absl::StatusOr<Tensor> zero = graph.Initializer(name);
  return zero.ok() && zero->dtype() == DType::kInt8 && zero->size() == 1 &&
         std::as_const(*zero).data<int8_t>()[0] == 0;
}

/// Whether transposed convolutions, and nothing else, read what these DequantizeLinear nodes make.
bool OnlyTransposedRead(const graph::Graph& graph,
                        const std::vector<const onnx::NodeProto*>& nodes) {
  bool any = false;
  for (const onnx::NodeProto* node : nodes) {
    if (graph.IsOutput(node->output(0))) return false;
    for (const onnx::NodeProto* reader : graph.Consumers(node->output(0))) {
      if (!graph::IsOp(*reader, "ConvTranspose")) return false;
      any = true;
    }
  }
  return any;
}

/// Whether the integers of this QuantizeLinear only go to DequantizeLinear nodes with the same
/// zero point, and are better off as u8.
bool CanShift(const graph::Graph& graph, const onnx::NodeProto& node) {
  if (!graph::IsOp(node, "QuantizeLinear") || node.input_size() != 3) return false;
  if (!IsSignedZero(graph, node.input(2)) || graph.IsOutput(node.output(0))) return false;
  const auto& readers = graph.Consumers(node.output(0));
  const bool agree =
      std::all_of(readers.begin(), readers.end(), [&](const onnx::NodeProto* reader) {
        return graph::IsOp(*reader, "DequantizeLinear") && reader->input_size() == 3 &&
               reader->input(0) == node.output(0) && IsSignedZero(graph, reader->input(2));
      });
  return agree && !OnlyTransposedRead(graph, readers);
}

}  // namespace

graph::Graph WithUnsignedActivations(const graph::Graph& graph) {
  graph::Graph result = graph.Clone();
  const std::string middle = graph::UnusedName(graph, "zero_point_of_unsigned_activations");
  bool any = false;
  for (onnx::NodeProto& node : *result.mutable_proto().mutable_graph()->mutable_node()) {
    const bool quantizes = CanShift(graph, node);
    const onnx::NodeProto* producer =
        graph::IsOp(node, "DequantizeLinear") ? graph.Producer(node.input(0)) : nullptr;
    if (!quantizes && (producer == nullptr || !CanShift(graph, *producer))) continue;
    node.set_input(2, middle);
    any = true;
  }
  if (!any) return result;
  *result.mutable_proto().mutable_graph()->add_initializer() =
      graph::TensorToProto(middle, Tensor::Of<uint8_t>({}, {kMiddle}));
  result.Reindex();
  graph::RemoveUnusedInitializers(result);
  return result;
}

}  // namespace trainyard::engine
