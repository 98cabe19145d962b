#include "libs/graph/internal/attribute_rules.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/graph/graph.h"
#include "libs/graph/internal/structure.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

constexpr int64_t kMost = (int64_t{1} << 31) - 1;

struct Range {
  int64_t least, most;
};

/// By name: in ONNX's own operators a name means the same wherever it stands.
const std::map<std::string, Range, std::less<>>& Ranges() {
  static const auto& ranges = *new std::map<std::string, Range, std::less<>>{
      {"kernel_shape", {1, kMost}},
      {"strides", {1, kMost}},
      {"dilations", {1, kMost}},
      {"pads", {0, kMost}},
      {"output_padding", {0, kMost}},
      {"output_shape", {1, kMost}},
      {"pooled_shape", {1, kMost}},
      {"output_height", {1, kMost}},
      {"output_width", {1, kMost}},
      {"group", {1, kMost}},
      {"blocksize", {1, kMost}},
      {"hidden_size", {1, kMost}},
      {"size", {1, kMost}},
      {"split", {0, kMost}},
      {"axis", {-32, 31}},
      {"axes", {-32, 31}},
      {"batch_dims", {0, 31}},
      {"batch_axis", {-32, 31}},
      {"time_axis", {-32, 31}},
      {"perm", {0, 31}},
      {"to", {1, 16}},
      {"dtype", {1, 16}},
      {"transA", {0, 1}},
      {"transB", {0, 1}},
      {"keepdims", {0, 1}},
      {"allowzero", {0, 1}},
      {"training_mode", {0, 1}},
      {"ceil_mode", {0, 1}},
      {"count_include_pad", {0, 1}},
      {"storage_order", {0, 1}},
      {"exclusive", {0, 1}},
      {"reverse", {0, 1}},
      {"largest", {0, 1}},
      {"sorted", {0, 1}},
      {"center_point_box", {0, 1}},
      {"noop_with_empty_axes", {0, 1}},
  };
  return ranges;
}

/// Whether the content is in the one field that the type names.
bool HasItsType(const onnx::AttributeProto& a) {
  const bool scalars[] = {
      a.has_f(), a.has_i(), a.has_s(), a.has_t(), a.has_g(), a.has_sparse_tensor(), a.has_tp()};
  int set = 0;
  for (const bool one : scalars) set += one;
  const int lists[] = {a.floats_size(),     a.ints_size(),   a.strings_size(),
                       a.tensors_size(),    a.graphs_size(), a.sparse_tensors_size(),
                       a.type_protos_size()};
  for (const int one : lists) set += one > 0;
  switch (a.type()) {
    case onnx::AttributeProto::FLOAT:
      return a.has_f() && set == 1;
    case onnx::AttributeProto::INT:
      return a.has_i() && set == 1;
    case onnx::AttributeProto::STRING:
      return a.has_s() && set == 1;
    case onnx::AttributeProto::TENSOR:
      return a.has_t() && set == 1;
    case onnx::AttributeProto::GRAPH:
      return a.has_g() && set == 1;
    case onnx::AttributeProto::SPARSE_TENSOR:
      return a.has_sparse_tensor() && set == 1;
    case onnx::AttributeProto::TYPE_PROTO:
      return a.has_tp() && set == 1;
    case onnx::AttributeProto::FLOATS:
      return set == (a.floats_size() > 0);
    case onnx::AttributeProto::INTS:
      return set == (a.ints_size() > 0);
    case onnx::AttributeProto::STRINGS:
      return set == (a.strings_size() > 0);
    case onnx::AttributeProto::TENSORS:
      return set == (a.tensors_size() > 0);
    case onnx::AttributeProto::GRAPHS:
      return set == (a.graphs_size() > 0);
    case onnx::AttributeProto::SPARSE_TENSORS:
      return set == (a.sparse_tensors_size() > 0);
    case onnx::AttributeProto::TYPE_PROTOS:
      return set == (a.type_protos_size() > 0);
    default:
      return false;
  }
}

class AttributeRules {
 public:
  explicit AttributeRules(Problems& problems) : problems_(problems) {}

  void Walk(const onnx::GraphProto& graph) {
    std::map<std::string, Shape, std::less<>> weights;
    for (const auto& tensor : graph.initializer()) {
      weights[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
    }
    for (const onnx::NodeProto& node : graph.node()) {
      const std::string where = absl::StrCat("node '", node.name(), "' (", node.op_type(), ")");
      const bool sound = CheckForms(node, where);
      // The window is worked out with numbers that are in their ranges.
      if (sound && IsStandard(node) && CheckRanges(node, where)) CheckWindow(node, where, weights);
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_g()) Walk(attribute.g());
        for (const onnx::GraphProto& body : attribute.graphs()) Walk(body);
      }
    }
  }

 private:
  bool CheckForms(const onnx::NodeProto& node, const std::string& where) {
    std::set<std::string> names;
    bool sound = true;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      const size_t before = problems_.size();
      if (!names.insert(attribute.name()).second) {
        problems_.Add(where, "has the attribute '%s' twice", attribute.name());
      }
      if (attribute.has_ref_attr_name() && !attribute.ref_attr_name().empty()) {
        problems_.Add(where, "takes '%s' from a function's attribute, and is in none",
                      attribute.name());
      } else if (attribute.has_sparse_tensor() || attribute.sparse_tensors_size() > 0) {
        problems_.Add(where, "has a sparse tensor in the attribute '%s'; %s", attribute.name(),
                      kDenseAdvice);
      } else if (!HasItsType(attribute)) {
        problems_.Add(where, "has in the attribute '%s' something else than its type says",
                      attribute.name());
      }
      sound = sound && problems_.size() == before;
    }
    return sound;
  }

  bool CheckRanges(const onnx::NodeProto& node, const std::string& where) {
    const size_t before = problems_.size();
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      for (const float value : attribute.floats()) CheckFinite(where, attribute.name(), value);
      if (attribute.type() == onnx::AttributeProto::FLOAT) {
        CheckFinite(where, attribute.name(), attribute.f());
      }
      const auto range = Ranges().find(attribute.name());
      if (range == Ranges().end()) continue;
      std::vector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
      if (attribute.type() == onnx::AttributeProto::INT) values.push_back(attribute.i());
      for (const int64_t value : values) {
        if (value >= range->second.least && value <= range->second.most) continue;
        problems_.Add(where, "has %d in the attribute '%s'; expected %d to %d", value,
                      attribute.name(), range->second.least, range->second.most);
        break;
      }
      if (attribute.name() == "perm" && !IsPermutation(values)) {
        problems_.Add(where, "has in the attribute 'perm' no permutation of 0 to %d",
                      static_cast<int64_t>(values.size()) - 1);
      }
    }
    return problems_.size() == before;
  }

  /// A Constant's value is no setting: -inf masks are common.
  void CheckFinite(const std::string& where, const std::string& name, float value) {
    if (!std::isfinite(value) && name.rfind("value_", 0) != 0) {
      problems_.Add(where, "has %g in the attribute '%s'; expected a finite number", value, name);
    }
  }

  static bool IsPermutation(const std::vector<int64_t>& values) {
    const std::set<int64_t> all(values.begin(), values.end());
    const auto n = static_cast<int64_t>(values.size());
    return n == 0 ||
           (static_cast<int64_t>(all.size()) == n && *all.begin() == 0 && *all.rbegin() == n - 1);
  }

  /// Convolutions and pooling: strides, dilations, pads and kernel_shape speak of the same axes.
  void CheckWindow(const onnx::NodeProto& node, const std::string& where,
                   const std::map<std::string, Shape, std::less<>>& weights) {
    static const auto& windowed = *new std::set<std::string>{
        "Conv", "ConvTranspose", "ConvInteger", "MaxPool", "AveragePool", "LpPool", "MaxUnpool"};
    if (!windowed.contains(node.op_type())) return;
    const bool has_kernel = node.op_type().rfind("Conv", 0) == 0;
    const auto kernel =
        has_kernel && node.input_size() > 1 ? weights.find(node.input(1)) : weights.end();
    const std::vector<int64_t> shape = IntsAttribute(node, "kernel_shape", {});
    int64_t axes = static_cast<int64_t>(shape.size());
    if (kernel != weights.end()) {
      const Shape& dims = kernel->second;
      if (dims.size() < 3) {
        problems_.Add(where, "has the kernel '%s' of shape %s; expected at least three dimensions",
                      kernel->first, ShapeText(dims));
        return;
      }
      if (axes > 0 && Shape(dims.begin() + 2, dims.end()) != shape) {
        problems_.Add(where, "has kernel_shape %s and the kernel '%s' of shape %s",
                      ShapeText(shape), kernel->first, ShapeText(dims));
      }
      axes = static_cast<int64_t>(dims.size()) - 2;
      const int64_t group = IntAttribute(node, "group", 1);
      if (dims[0] % group != 0) {
        problems_.Add(where, "has group %d, which does not divide the %d channels of '%s'", group,
                      dims[0], kernel->first);
      }
    }
    if (axes == 0) return;
    for (const auto& [name, per_axis] : {std::pair("strides", 1), std::pair("dilations", 1),
                                         std::pair("pads", 2), std::pair("output_padding", 1)}) {
      const auto count = static_cast<int64_t>(IntsAttribute(node, name, {}).size());
      if (count == 0 || count == axes * per_axis) continue;
      problems_.Add(where, "has %d numbers in the attribute '%s'; expected %d", count, name,
                    axes * per_axis);
    }
  }

  Problems& problems_;
};

bool IsTrue(const onnx::TensorProto& tensor) {
  if (tensor.has_raw_data()) return !tensor.raw_data().empty() && tensor.raw_data()[0] != 0;
  return tensor.int32_data_size() > 0 && tensor.int32_data(0) != 0;
}

/// Finds nodes in training form, in bodies too.
class InferenceForm {
 public:
  explicit InferenceForm(Problems& problems) : problems_(problems) {}

  /// The nodes are in topological order; `outer` is what a body may read beside its own.
  struct Flags {
    std::map<std::string, bool, std::less<>> known;
    const Flags* outer = nullptr;
  };
  void Walk(const onnx::GraphProto& graph, const Flags* outer) {
    Flags flags{.known = {}, .outer = outer};
    for (const onnx::TensorProto& tensor : graph.initializer()) Learn(tensor.name(), tensor, flags);
    for (const onnx::NodeProto& node : graph.node()) {
      Check(node, flags);
      for (const onnx::AttributeProto& attribute : node.attribute()) {
        if (attribute.has_t() && IsOp(node, "Constant")) {
          Learn(node.output(0), attribute.t(), flags);
        }
        if (attribute.has_g()) Walk(attribute.g(), &flags);
        for (const onnx::GraphProto& body : attribute.graphs()) Walk(body, &flags);
      }
    }
  }

 private:
  static void Learn(const std::string& name, const onnx::TensorProto& tensor, Flags& flags) {
    if (tensor.data_type() == onnx::TensorProto::BOOL) flags.known[name] = IsTrue(tensor);
  }

  /// nullptr for what is no constant.
  static const bool* Find(const Flags* flags, const std::string& name) {
    for (; flags != nullptr; flags = flags->outer) {
      const auto it = flags->known.find(name);
      if (it != flags->known.end()) return &it->second;
    }
    return nullptr;
  }

  void Check(const onnx::NodeProto& node, const Flags& flags) {
    constexpr char kAdvice[] =
        "%s: the file was exported for training. Export it for inference (in PyTorch: model.eval() "
        "and training=TrainingMode.EVAL)";
    const std::string where = absl::StrCat("node '", node.name(), "' (", node.op_type(), ")");
    if (IsOp(node, "BatchNormalization")) {
      if (IntAttribute(node, "training_mode", 0) != 0) {
        problems_.Add(where, kAdvice, "has training_mode 1");
      } else if (node.output_size() > 1) {
        problems_.Add(where, kAdvice, "puts out statistics");
      }
    } else if (IsOp(node, "Dropout") && node.input_size() > 2 && !node.input(2).empty()) {
      const bool* drops = Find(&flags, node.input(2));
      if (drops == nullptr) {
        problems_.Add(where, kAdvice, "works out whether it drops values (its training_mode)");
      } else if (*drops) {
        problems_.Add(where, kAdvice, "drops values (training_mode is true)");
      }
    }
  }

  Problems& problems_;
};

}  // namespace

void CheckAttributes(const onnx::GraphProto& graph, Problems& problems) {
  AttributeRules(problems).Walk(graph);
}

void CheckInferenceForm(const onnx::GraphProto& graph, Problems& problems) {
  InferenceForm(problems).Walk(graph, nullptr);
}

}  // namespace trainyard::graph::internal
