#include "libs/graph/reach.h"

#include <algorithm>

#include "onnx/onnx_pb.h"

namespace trainyard::graph {

std::set<std::string> NodesBefore(const Graph& graph, absl::Span<const absl::string_view> ops) {
  std::set<std::string> before;
  for (auto it = graph.nodes().rbegin(); it != graph.nodes().rend(); ++it) {
    const onnx::NodeProto& node = **it;
    const auto leads_on = [&](const onnx::NodeProto* reader) {
      return before.contains(reader->name()) ||
             std::any_of(ops.begin(), ops.end(),
                         [reader](absl::string_view op) { return IsOp(*reader, op); });
    };
    for (const std::string& output : node.output()) {
      const auto& readers = graph.Consumers(output);
      if (std::any_of(readers.begin(), readers.end(), leads_on)) before.insert(node.name());
    }
  }
  return before;
}

}  // namespace trainyard::graph
