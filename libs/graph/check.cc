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

namespace trainyard::graph {
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

/// What the graph takes and makes.
void CheckValues(const onnx::GraphProto& graph, const onnx::checker::CheckerContext& context,
                 Problems& problems) {
  for (const auto* values : {&graph.input(), &graph.output()}) {
    for (const auto& value : *values) {
      // ONNX asks for a shape of any rank; what has none is inferred, or not known.
      const auto& type = value.type().tensor_type();
      if (type.elem_type() != onnx::TensorProto::UNDEFINED && !type.has_shape()) continue;
      Collect(absl::StrCat("value '", value.name(), "'"), problems,
              [&] { onnx::checker::check_value_info(value, context); });
    }
  }
}

/// What onnx::checker::check_graph does, node by node, so that one bad node does not hide the next.
void CheckWithOnnx(const onnx::ModelProto& model, const Graph& indexed, Problems& problems) {
  const onnx::checker::CheckerContext context = ContextOf(model);
  onnx::checker::LexicalScopeContext scope;
  const onnx::GraphProto& graph = model.graph();
  if (graph.name().empty()) problems.Add("graph", "has no name");
  CheckValues(graph, context, problems);
  for (const auto* values : {&graph.input(), &graph.output()}) {
    for (const auto& value : *values) scope.add(value.name());
  }
  for (const auto& tensor : graph.initializer()) {
    Collect(absl::StrCat("initializer '", tensor.name(), "'"), problems,
            [&] { onnx::checker::check_tensor(tensor, context); });
    scope.add(tensor.name());
  }
  for (const onnx::NodeProto* node : indexed.nodes()) {
    Collect(absl::StrCat("node '", node->name(), "' (", node->op_type(), ")"), problems,
            [&] { onnx::checker::check_node(*node, context, scope); });
    for (const std::string& output : node->output()) scope.add(output);
  }
}

/// "it came with opset 16: export the model with that opset", or what else helps against an
/// operator that the model's opset does not have.
std::string WhereToFind(const std::string& op) {
  const onnx::OpSchema* newest = onnx::OpSchemaRegistry::Schema(op);
  if (newest != nullptr) {
    return absl::StrCat("it came with opset ", newest->since_version(),
                        ": export the model with that opset");
  }
  return "nor of any other up to 17: export the model with opset 17, which writes newer "
         "operators out, or give the operator the domain of whoever defined it";
}

void VerifyNode(const onnx::NodeProto& node, const std::unordered_map<std::string, int>& opsets,
                Problems& problems) {
  const std::string where = absl::StrCat("node '", node.name(), "' (", node.op_type(), ")");
  const auto version = opsets.find(node.domain());
  if (version == opsets.end()) {
    problems.Add(where,
                 "is of the domain '%s', which the model does not import; add it to opset_import",
                 node.domain());
    return;
  }
  const onnx::OpSchema* schema =
      onnx::OpSchemaRegistry::Schema(node.op_type(), version->second, node.domain());
  if (schema != nullptr) {
    Collect(where, problems, [&] { schema->Verify(node); });
  } else if (IsStandard(node)) {
    problems.Add(where, "is no operator of opset %d; %s", version->second,
                 WhereToFind(node.op_type()));
  }
}

/// Holds every node against the schema of its operator, in bodies too.
void VerifyNodes(const onnx::GraphProto& graph, const std::unordered_map<std::string, int>& opsets,
                 Problems& problems) {
  for (const onnx::NodeProto& node : graph.node()) {
    VerifyNode(node, opsets, problems);
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) VerifyNodes(attribute.g(), opsets, problems);
      for (const onnx::GraphProto& body : attribute.graphs()) VerifyNodes(body, opsets, problems);
    }
  }
}

}  // namespace

void internal::CheckSignatures(const onnx::ModelProto& model, Problems& problems) {
  const onnx::checker::CheckerContext context = ContextOf(model);
  CheckValues(model.graph(), context, problems);
  VerifyNodes(model.graph(), context.get_opset_imports(), problems);
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

}  // namespace trainyard::graph
