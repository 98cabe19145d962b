#include "libs/graph/internal/limits.h"

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

constexpr int kMaxDepth = 8;
constexpr int64_t kMaxParts = 1'000'000;
constexpr int kMaxRank = 32;
constexpr int64_t kMaxDim = (int64_t{1} << 31) - 1;

class Limits {
 public:
  explicit Limits(Problems& problems) : problems_(problems) {}

  void Walk(const onnx::GraphProto& graph, int depth) {
    if (depth > kMaxDepth) {
      if (!too_deep_) {
        problems_.Add("graph", "has bodies of nodes within bodies of nodes more than %d deep",
                      kMaxDepth);
      }
      too_deep_ = true;
      return;
    }
    parts_ += graph.node_size() + graph.initializer_size() + graph.value_info_size() +
              graph.input_size() + graph.output_size() + graph.sparse_initializer_size();
    for (const auto* values : {&graph.input(), &graph.output(), &graph.value_info()}) {
      for (const onnx::ValueInfoProto& value : *values) CheckValue(value);
    }
    for (const onnx::NodeProto& node : graph.node()) {
      parts_ += node.input_size() + node.output_size() + node.attribute_size();
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) Walk(attribute.g(), depth + 1);
        for (const onnx::GraphProto& body : attribute.graphs()) Walk(body, depth + 1);
      }
    }
  }

  void Finish() {
    if (parts_ <= kMaxParts) return;
    problems_.Add("graph", "has %d nodes, values and names; expected at most %d", parts_,
                  kMaxParts);
  }

 private:
  void CheckValue(const onnx::ValueInfoProto& value) {
    if (!value.type().has_tensor_type()) return;
    const auto& shape = value.type().tensor_type().shape();
    const std::string field = absl::StrCat("value '", value.name(), "'");
    if (shape.dim_size() > kMaxRank) {
      problems_.Add(field, "has %d dimensions; expected at most %d", shape.dim_size(), kMaxRank);
    }
    for (int i = 0; i < shape.dim_size(); ++i) {
      if (shape.dim(i).dim_value() <= kMaxDim) continue;
      problems_.Add(field, "has %d as its dimension %d; expected at most %d",
                    shape.dim(i).dim_value(), i, kMaxDim);
    }
  }

  Problems& problems_;
  int64_t parts_ = 0;
  bool too_deep_ = false;
};

}  // namespace

absl::Status CheckLimits(const onnx::ModelProto& model) {
  Problems problems;
  if (model.functions_size() > 0) {
    problems.Add("functions",
                 "are %d; expected none. Export the model without functions of its own "
                 "(export_modules_as_functions=False in PyTorch), or write them out with "
                 "onnx.inliner.inline_local_functions(model)",
                 model.functions_size());
  }
  Limits limits(problems);
  limits.Walk(model.graph(), 0);
  limits.Finish();
  return problems.ToStatus();
}

}  // namespace trainyard::graph::internal
