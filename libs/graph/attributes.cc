#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

/// nullptr when absent or of another type.
const onnx::AttributeProto* Find(const onnx::NodeProto& node, absl::string_view name,
                                 onnx::AttributeProto::AttributeType type) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return attribute.type() == type ? &attribute : nullptr;
  }
  return nullptr;
}

}  // namespace

bool IsStandard(const onnx::NodeProto& node) {
  return node.domain().empty() || node.domain() == "ai.onnx";
}

bool IsOp(const onnx::NodeProto& node, absl::string_view op) {
  return node.op_type() == op && IsStandard(node);
}

int64_t IntAttribute(const onnx::NodeProto& node, absl::string_view name, int64_t fallback) {
  const auto* attribute = Find(node, name, onnx::AttributeProto::INT);
  return attribute == nullptr ? fallback : attribute->i();
}

float FloatAttribute(const onnx::NodeProto& node, absl::string_view name, float fallback) {
  const auto* attribute = Find(node, name, onnx::AttributeProto::FLOAT);
  return attribute == nullptr ? fallback : attribute->f();
}

std::string StringAttribute(const onnx::NodeProto& node, absl::string_view name,
                            absl::string_view fallback) {
  const auto* attribute = Find(node, name, onnx::AttributeProto::STRING);
  return attribute == nullptr ? std::string(fallback) : attribute->s();
}

std::vector<int64_t> IntsAttribute(const onnx::NodeProto& node, absl::string_view name,
                                   std::vector<int64_t> fallback) {
  const auto* attribute = Find(node, name, onnx::AttributeProto::INTS);
  if (attribute == nullptr) return fallback;
  return {attribute->ints().begin(), attribute->ints().end()};
}

}  // namespace trainyard::graph
