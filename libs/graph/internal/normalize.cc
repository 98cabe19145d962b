#include "libs/graph/internal/normalize.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

constexpr char kLongDomain[] = "ai.onnx";

void OpenNegativeDimensions(onnx::ValueInfoProto& value) {
  if (!value.type().has_tensor_type() || !value.type().tensor_type().has_shape()) return;
  auto* shape = value.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (auto& dim : *shape->mutable_dim()) {
    if (dim.dim_value() < 0) dim.clear_dim_value();
  }
}

/// A writer of proto3 leaves a zero out; readers would take that for the operator's default.
void StateZero(onnx::AttributeProto& attribute) {
  using onnx::AttributeProto;
  if (attribute.type() == AttributeProto::INT && !attribute.has_i()) attribute.set_i(0);
  if (attribute.type() == AttributeProto::FLOAT && !attribute.has_f()) attribute.set_f(0);
  if (attribute.type() == AttributeProto::STRING && !attribute.has_s()) attribute.set_s("");
}

/// Statistics that a BatchNormalization of opset 11 could put out, and that nobody asked for.
void DropEmptyStatistics(onnx::NodeProto& node) {
  if (node.op_type() != "BatchNormalization" || !node.domain().empty()) return;
  auto& outputs = *node.mutable_output();
  while (outputs.size() > 1 && outputs.Get(outputs.size() - 1).empty()) outputs.RemoveLast();
}

void NormalizeGraph(onnx::GraphProto& graph) {
  if (graph.name().empty()) graph.set_name("graph");
  for (auto* values : {graph.mutable_input(), graph.mutable_output(), graph.mutable_value_info()}) {
    for (auto& value : *values) OpenNegativeDimensions(value);
  }
  for (auto& node : *graph.mutable_node()) {
    if (node.domain() == kLongDomain) node.clear_domain();
    DropEmptyStatistics(node);
    for (auto& attribute : *node.mutable_attribute()) {
      StateZero(attribute);
      if (attribute.has_g()) NormalizeGraph(*attribute.mutable_g());
      for (auto& body : *attribute.mutable_graphs()) NormalizeGraph(body);
    }
  }
}

/// Names for nodes that have none ("<op>_<index>") or that of another ("<name>_<n>").
int NameNodes(onnx::GraphProto& graph) {
  std::set<std::string> taken, seen;
  std::map<std::string, int> next;
  for (const auto& node : graph.node()) taken.insert(node.name());
  int doubled = 0;
  for (int i = 0; i < graph.node_size(); ++i) {
    onnx::NodeProto& node = *graph.mutable_node(i);
    const bool absent = node.name().empty();
    if (!absent && seen.insert(node.name()).second) continue;
    doubled += !absent;
    const std::string stem = absent ? absl::StrCat(node.op_type(), "_", i) : node.name();
    std::string name = stem;
    while (name.empty() || !taken.insert(name).second) {
      name = absl::StrCat(stem, "_", ++next[stem]);
    }
    seen.insert(name);
    node.set_name(name);
  }
  return doubled;
}

int DropInitializersFromInputs(onnx::GraphProto& graph) {
  std::set<std::string> initializers;
  for (const auto& tensor : graph.initializer()) initializers.insert(tensor.name());
  for (const auto& sparse : graph.sparse_initializer()) {
    initializers.insert(sparse.values().name());
  }
  auto& inputs = *graph.mutable_input();
  int kept = 0;
  for (int i = 0; i < inputs.size(); ++i) {
    if (initializers.contains(inputs.Get(i).name())) continue;
    if (i != kept) inputs.SwapElements(i, kept);
    ++kept;
  }
  const int dropped = inputs.size() - kept;
  inputs.DeleteSubrange(kept, dropped);
  return dropped;
}

}  // namespace

std::vector<std::string> Normalize(onnx::ModelProto& model) {
  std::vector<std::string> notes;
  for (auto& opset : *model.mutable_opset_import()) {
    if (opset.domain() == kLongDomain) opset.clear_domain();
  }
  NormalizeGraph(*model.mutable_graph());
  DropInitializersFromInputs(*model.mutable_graph());
  if (model.ir_version() == 3) model.set_ir_version(4);
  if (const int doubled = NameNodes(*model.mutable_graph()); doubled > 0) {
    notes.push_back(absl::StrFormat(
        "%d nodes had the name of another node; a number was added to theirs", doubled));
  }
  return notes;
}

}  // namespace trainyard::graph::internal
