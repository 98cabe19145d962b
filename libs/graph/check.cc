#include <string>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/problems.h"
#include "libs/graph/graph.h"
#include "libs/graph/internal/structure.h"
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
  for (const onnx::NodeProto* node : indexed.nodes()) {
    Collect(absl::StrCat("node '", node->name(), "' (", node->op_type(), ")"), problems,
            [&] { onnx::checker::check_node(*node, context, scope); });
    for (const std::string& output : node->output()) scope.add(output);
  }
}

}  // namespace

void internal::CheckSignatures(const onnx::ModelProto& model, Problems& problems) {
  std::unordered_map<std::string, int> opsets = ContextOf(model).get_opset_imports();
  if (opsets.contains("ai.onnx")) opsets[""] = opsets["ai.onnx"];
  for (const onnx::NodeProto& node : model.graph().node()) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    const auto version = opsets.find(domain);
    if (version == opsets.end()) continue;
    const onnx::OpSchema* schema =
        onnx::OpSchemaRegistry::Schema(node.op_type(), version->second, domain);
    if (schema == nullptr) continue;
    Collect(absl::StrCat("node '", node.name(), "' (", node.op_type(), ")"), problems,
            [&] { schema->Verify(node); });
  }
}

absl::Status Graph::Check() const {
  Problems problems;
  internal::CheckStructure(model_->graph(), problems);
  CheckWithOnnx(*model_, *this, problems);
  return problems.ToStatus();
}

}  // namespace trainyard
