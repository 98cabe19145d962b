#include <string>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/problems.h"
#include "libs/graph/graph.h"
#include "libs/graph/internal/attribute_rules.h"
#include "libs/graph/internal/structure.h"
#include "libs/graph/internal/tensors.h"
#include "onnx/checker.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
namespace {

/// ONNX's messages have several lines and end with a dump of the node; the first lines say it all.
std::string Shortened(absl::string_view what) {
  const absl::string_view text = what.substr(0, what.find("\n\n==>"));
  return absl::StrJoin(absl::StrSplit(text, '\n', absl::SkipWhitespace()), " ");
}

/// Runs one check of ONNX and files what it throws.
template <typename CheckFunction>
void Collect(const std::string& field, Problems& problems, const CheckFunction& check) {
  try {
    check();
  } catch (const std::exception& error) {
    problems.Add(field, "%s", Shortened(error.what()));
  }
}

onnx::checker::CheckerContext ContextOf(const onnx::ModelProto& model) {
  onnx::checker::CheckerContext context;
  context.set_ir_version(static_cast<int>(model.ir_version()));
  std::unordered_map<std::string, int> opsets;
  for (const auto& opset : model.opset_import()) {
    opsets[opset.domain()] = static_cast<int>(opset.version());
  }
  context.set_opset_imports(std::move(opsets));
  return context;
}

/// What onnx::checker::check_graph does, node by node, so that one bad node does not hide the next.
void CheckWithOnnx(const onnx::ModelProto& model, const Graph& indexed, Problems& problems) {
  const onnx::checker::CheckerContext context = ContextOf(model);
  onnx::checker::LexicalScopeContext scope;
  const onnx::GraphProto& graph = model.graph();
  if (graph.name().empty()) problems.Add("graph", "has no name");
  for (const auto* values : {&graph.input(), &graph.output()}) {
    for (const auto& value : *values) {
      Collect(absl::StrCat("value '", value.name(), "'"), problems,
              [&] { onnx::checker::check_value_info(value, context); });
      scope.add(value.name());
    }
  }
  for (const auto& tensor : graph.initializer()) {
    Collect(absl::StrCat("initializer '", tensor.name(), "'"), problems,
            [&] { onnx::checker::check_tensor(tensor, context); });
    scope.add(tensor.name());
  }
  for (const auto& sparse : graph.sparse_initializer()) scope.add(sparse.values().name());
  for (const onnx::NodeProto* node : indexed.nodes()) {
    Collect(absl::StrCat("node '", node->name(), "' (", node->op_type(), ")"), problems,
            [&] { onnx::checker::check_node(*node, context, scope); });
    for (const std::string& output : node->output()) scope.add(output);
  }
}

/// Holds every node against the schema of its operator, in bodies too.
void VerifyNodes(const onnx::GraphProto& graph, const std::unordered_map<std::string, int>& opsets,
                 Problems& problems) {
  for (const onnx::NodeProto& node : graph.node()) {
    const auto version = opsets.find(node.domain());
    const onnx::OpSchema* schema =
        version == opsets.end()
            ? nullptr
            : onnx::OpSchemaRegistry::Schema(node.op_type(), version->second, node.domain());
    if (schema != nullptr) {
      Collect(absl::StrCat("node '", node.name(), "' (", node.op_type(), ")"), problems,
              [&] { schema->Verify(node); });
    }
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) VerifyNodes(attribute.g(), opsets, problems);
      for (const onnx::GraphProto& body : attribute.graphs()) VerifyNodes(body, opsets, problems);
    }
  }
}

}  // namespace

void internal::CheckSignatures(const onnx::ModelProto& model, Problems& problems) {
  VerifyNodes(model.graph(), ContextOf(model).get_opset_imports(), problems);
}

absl::Status Graph::Check() const {
  Problems problems;
  internal::CheckPayloads(model_->graph(), problems);
  internal::CheckStructure(model_->graph(), problems);
  internal::CheckAttributes(model_->graph(), problems);
  // The library takes for granted what is checked above.
  if (problems.empty()) CheckWithOnnx(*model_, *this, problems);
  return problems.ToStatus();
}

}  // namespace trainyard
