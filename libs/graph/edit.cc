#include "libs/graph/edit.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

/// Keeps the elements of a repeated message field for which `keep` holds; returns how many went.
template <typename Field, typename Predicate>
int KeepIf(Field& field, const Predicate& keep) {
  int kept = 0;
  for (int i = 0; i < field.size(); ++i) {
    if (!keep(field.Get(i))) continue;
    if (i != kept) field.SwapElements(i, kept);
    ++kept;
  }
  const int removed = field.size() - kept;
  field.DeleteSubrange(kept, removed);
  return removed;
}

}  // namespace

int RemoveUnusedInitializers(Graph& graph) {
  graph.Reindex();
  const auto is_used = [&graph](const onnx::TensorProto& tensor) {
    return !graph.Consumers(tensor.name()).empty() || graph.IsOutput(tensor.name());
  };
  const int removed =
      KeepIf(*graph.mutable_proto().mutable_graph()->mutable_initializer(), is_used);
  graph.Reindex();
  return removed;
}

int RemoveDeadNodes(Graph& graph) {
  const auto is_alive = [&graph](const onnx::NodeProto& node) {
    return std::any_of(node.output().begin(), node.output().end(), [&](const std::string& value) {
      return !graph.Consumers(value).empty() || graph.IsOutput(value);
    });
  };
  int total = 0;
  for (int removed = 1; removed > 0; total += removed) {
    graph.Reindex();
    removed = KeepIf(*graph.mutable_proto().mutable_graph()->mutable_node(), is_alive);
  }
  RemoveUnusedInitializers(graph);
  return total;
}

void RemoveNodes(Graph& graph, const std::set<std::string>& names) {
  KeepIf(*graph.mutable_proto().mutable_graph()->mutable_node(),
         [&names](const onnx::NodeProto& node) { return !names.contains(node.name()); });
  graph.Reindex();
}

void RedirectReaders(Graph& graph, const std::string& from, const std::string& to) {
  for (onnx::NodeProto& node : *graph.mutable_proto().mutable_graph()->mutable_node()) {
    for (std::string& input : *node.mutable_input()) {
      if (input == from) input = to;
    }
  }
}

std::string UnusedName(const Graph& graph, const std::string& stem) {
  const auto inputs = graph.InputNames();
  const auto taken = [&](const std::string& name) {
    return graph.FindNode(name) != nullptr || graph.Producer(name) != nullptr ||
           graph.HasInitializer(name) ||
           std::find(inputs.begin(), inputs.end(), name) != inputs.end();
  };
  std::string name = stem;
  for (int n = 1; taken(name); ++n) name = absl::StrCat(stem, "_", n);
  return name;
}

}  // namespace trainyard::graph
