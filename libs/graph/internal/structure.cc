#include "libs/graph/internal/structure.h"

#include <functional>
#include <map>
#include <queue>
#include <set>

#include "absl/strings/str_cat.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

using Names = std::set<std::string>;

/// Calls `body` for each graph that an attribute of `node` holds.
void ForEachBody(const onnx::NodeProto& node,
                 const std::function<void(const onnx::GraphProto&)>& body) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) body(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) body(graph);
  }
}

/// Appends what `graph`, the body of a node, reads from outside.
void AppendOuterValues(const onnx::GraphProto& graph, std::vector<std::string>& values) {
  Names own;
  for (const auto& input : graph.input()) own.insert(input.name());
  for (const auto& initializer : graph.initializer()) own.insert(initializer.name());
  for (const auto& node : graph.node()) own.insert(node.output().begin(), node.output().end());
  for (const auto& node : graph.node()) {
    for (const std::string& value : ReadValues(node)) {
      if (!own.contains(value)) values.push_back(value);
    }
  }
  for (const auto& output : graph.output()) {
    if (!own.contains(output.name())) values.push_back(output.name());
  }
}

/// What the nodes of a body may read beside its own values, from its node's graph outwards.
struct Scope {
  const Names* names = nullptr;
  const Scope* outer = nullptr;
};

bool Knows(const Scope* scope, const std::string& name) {
  for (; scope != nullptr; scope = scope->outer) {
    if (scope->names->contains(name)) return true;
  }
  return false;
}

/// Nodes of bodies need no names.
std::string Describe(const onnx::NodeProto& node) {
  return absl::StrCat("node '", node.name().empty() ? node.op_type() : node.name(), "'");
}

/// Looks at a graph and at the bodies in it.
class StructureRules {
 public:
  explicit StructureRules(Problems& problems) : problems_(problems) {}

  /// `where` is "", or "body of node 'x': ". Returns what the graph makes.
  Names Walk(const onnx::GraphProto& graph, const std::string& where, const Scope* outer) {
    Names made = MadeValues(graph, where, outer);
    const Scope scope{&made, outer};
    for (const onnx::NodeProto& node : graph.node()) {
      ForEachBody(node, [&](const onnx::GraphProto& body) {
        Walk(body, absl::StrCat(where, "body of ", Describe(node), ": "), &scope);
      });
    }
    CheckCycles(graph, where);
    return made;
  }

 private:
  /// Everything that a node may read: inputs, initializers and what nodes make. Adds doubled names.
  Names MadeValues(const onnx::GraphProto& graph, const std::string& where, const Scope* outer) {
    Names inputs, initializers, made;
    for (const auto& input : graph.input()) {
      if (inputs.insert(input.name()).second) continue;
      problems_.Add(absl::StrCat(where, "input '", input.name(), "'"), "is declared twice");
    }
    for (const auto& initializer : graph.initializer()) {
      const std::string field = absl::StrCat(where, "initializer '", initializer.name(), "'");
      if (initializer.name().empty()) problems_.Add(field, "has no name");
      if (!initializers.insert(initializer.name()).second) problems_.Add(field, "is there twice");
    }
    for (const auto& sparse : graph.sparse_initializer()) {
      const std::string& name = sparse.values().name();
      problems_.Add(absl::StrCat(where, "initializer '", name, "'"), "is sparse; %s", kDenseAdvice);
      initializers.insert(name);
    }
    for (const auto& node : graph.node()) {
      for (const std::string& output : node.output()) {
        if (output.empty()) continue;
        const bool taken = inputs.contains(output) || initializers.contains(output);
        if (!taken && made.insert(output).second && !Knows(outer, output)) continue;
        problems_.Add(absl::StrCat(where, Describe(node)),
                      "makes '%s', a name that another node, an input or an initializer has",
                      output);
      }
    }
    made.insert(inputs.begin(), inputs.end());
    made.insert(initializers.begin(), initializers.end());
    return made;
  }

  void CheckCycles(const onnx::GraphProto& graph, const std::string& where) {
    const std::vector<int> order = TopologicalOrder(graph);
    if (static_cast<int>(order.size()) == graph.node_size()) return;
    const std::set<int> sorted(order.begin(), order.end());
    for (int i = 0; i < graph.node_size(); ++i) {
      if (sorted.contains(i)) continue;
      problems_.Add(absl::StrCat(where, Describe(graph.node(i))),
                    "lies on a cycle or behind one; expected a graph without cycles");
    }
  }

  Problems& problems_;
};

}  // namespace

std::vector<std::string> ReadValues(const onnx::NodeProto& node) {
  std::vector<std::string> all(node.input().begin(), node.input().end());
  ForEachBody(node, [&all](const onnx::GraphProto& body) { AppendOuterValues(body, all); });
  std::vector<std::string> values;
  Names seen;
  for (std::string& value : all) {
    if (!value.empty() && seen.insert(value).second) values.push_back(std::move(value));
  }
  return values;
}

std::vector<int> TopologicalOrder(const onnx::GraphProto& graph) {
  std::map<std::string, int> producer;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const std::string& output : graph.node(i).output()) producer.emplace(output, i);
  }
  std::vector<int> waits_for(graph.node_size(), 0);
  std::vector<std::vector<int>> readers(graph.node_size());
  for (int i = 0; i < graph.node_size(); ++i) {
    std::set<int> sources;
    for (const std::string& value : ReadValues(graph.node(i))) {
      if (auto it = producer.find(value); it != producer.end()) sources.insert(it->second);
    }
    waits_for[i] = static_cast<int>(sources.size());
    for (int source : sources) readers[source].push_back(i);
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (waits_for[i] == 0) ready.push(i);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    order.push_back(ready.top());
    ready.pop();
    for (int reader : readers[order.back()]) {
      if (--waits_for[reader] == 0) ready.push(reader);
    }
  }
  return order;
}

void CheckStructure(const onnx::GraphProto& graph, Problems& problems) {
  Names names;
  for (const auto& node : graph.node()) {
    if (!names.insert(node.name()).second) {
      problems.Add(absl::StrCat("node '", node.name(), "'"), "has the name of another node");
    }
  }
  const Names made = StructureRules(problems).Walk(graph, "", nullptr);
  // What bodies read from outside is read by their nodes.
  for (const auto& node : graph.node()) {
    for (const std::string& value : ReadValues(node)) {
      if (made.contains(value)) continue;
      problems.Add(absl::StrCat("node '", node.name(), "'"),
                   "reads '%s', which no input, initializer or node makes", value);
    }
  }
  for (const auto& output : graph.output()) {
    if (made.contains(output.name())) continue;
    problems.Add(absl::StrCat("output '", output.name(), "'"), "is made by no node");
  }
}

}  // namespace trainyard::graph::internal
