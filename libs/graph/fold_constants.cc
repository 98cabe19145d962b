#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/graph/edit.h"
#include "libs/graph/fold.h"
#include "libs/graph/internal/dims.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

/// Longer ones are no shapes.
constexpr int64_t kMaxElements = 64;
/// Each costs a shape inference.
constexpr int kMaxRounds = 32;

/// One number of a shape computation: known, or an open dimension of the network, by its name.
struct Element {
  int64_t number = 0;
  /// Empty: known.
  std::string open;
};

/// A scalar or a row of them.
struct Numbers {
  bool scalar = false;
  std::vector<Element> elements;
  bool known() const {
    for (const Element& element : elements) {
      if (!element.open.empty()) return false;
    }
    return true;
  }
};

std::optional<Numbers> NumbersOf(const onnx::TensorProto& proto) {
  const bool small =
      proto.dims_size() == 0 || (proto.dims_size() == 1 && proto.dims(0) <= kMaxElements);
  if (!small || proto.data_type() != onnx::TensorProto::INT64) return std::nullopt;
  const absl::StatusOr<Tensor> tensor = TensorFromProto(proto);
  if (!tensor.ok()) return std::nullopt;
  Numbers numbers{.scalar = proto.dims_size() == 0};
  for (const int64_t number : tensor->data<int64_t>()) numbers.elements.push_back({number, ""});
  return numbers;
}

/// The tensor that a Constant node holds; nothing for forms that no network needs.
std::optional<onnx::TensorProto> TensorOf(const onnx::NodeProto& constant) {
  if (constant.attribute_size() != 1) return std::nullopt;
  const onnx::AttributeProto& a = constant.attribute(0);
  const std::string name = constant.output(0);
  if (a.name() == "value") {
    onnx::TensorProto tensor = a.t();
    tensor.set_name(name);
    return tensor;
  }
  if (a.name() == "value_int") return TensorToProto(name, Tensor::Of<int64_t>({}, {a.i()}));
  if (a.name() == "value_float") return TensorToProto(name, Tensor::Of<float>({}, {a.f()}));
  if (a.name() == "value_ints") {
    const std::vector<int64_t> values(a.ints().begin(), a.ints().end());
    return TensorToProto(name, Tensor::Of<int64_t>({a.ints_size()}, values));
  }
  if (a.name() == "value_floats") {
    const std::vector<float> values(a.floats().begin(), a.floats().end());
    return TensorToProto(name, Tensor::Of<float>({a.floats_size()}, values));
  }
  return std::nullopt;
}

void FoldConstantNodes(Graph& graph) {
  std::set<std::string> folded;
  std::vector<onnx::TensorProto> tensors;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (!IsOp(*node, "Constant") || graph.IsOutput(node->output(0))) continue;
    std::optional<onnx::TensorProto> tensor = TensorOf(*node);
    if (!tensor.has_value()) continue;
    tensors.push_back(*std::move(tensor));
    folded.insert(node->name());
  }
  if (folded.empty()) return;
  for (onnx::TensorProto& tensor : tensors) {
    *graph.mutable_proto().mutable_graph()->add_initializer() = std::move(tensor);
  }
  RemoveNodes(graph, folded);
}

/// Whether a node with bodies reads `value`: these name it themselves, and are not rewritten.
bool IsReadWithBodies(const Graph& graph, const std::string& value) {
  const auto& readers = graph.Consumers(value);
  return std::any_of(readers.begin(), readers.end(), [](const onnx::NodeProto* reader) {
    return std::any_of(reader->attribute().begin(), reader->attribute().end(),
                       [](const auto& a) { return a.has_g() || a.graphs_size() > 0; });
  });
}

/// Exporters keep weights that are equal once and write Identity nodes of them; who reads such a
/// node reads the weights.
void FoldIdentities(Graph& graph) {
  std::map<std::string, std::string> weights_of;
  std::set<std::string> folded;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (!IsOp(*node, "Identity")) continue;
    const auto before = weights_of.find(node->input(0));
    const std::string weights = before == weights_of.end() ? node->input(0) : before->second;
    const std::string& value = node->output(0);
    if (!graph.HasInitializer(weights) || graph.IsOutput(value)) continue;
    if (IsReadWithBodies(graph, value)) continue;
    weights_of[value] = weights;
    folded.insert(node->name());
  }
  if (folded.empty()) return;
  for (onnx::NodeProto& node : *graph.mutable_proto().mutable_graph()->mutable_node()) {
    for (std::string& input : *node.mutable_input()) {
      const auto weights = weights_of.find(input);
      if (weights != weights_of.end()) input = weights->second;
    }
  }
  RemoveNodes(graph, folded);
}

/// Follows the numbers that Shape brings into a graph, in topological order.
class ShapeArithmetic {
 public:
  ShapeArithmetic(const Graph& graph, const internal::DimsByValue& dims)
      : dims_(dims) {
    for (const auto& tensor : graph.proto().graph().initializer()) {
      if (auto numbers = NumbersOf(tensor)) values_[tensor.name()] = *std::move(numbers);
    }
    for (const onnx::NodeProto* node : graph.nodes()) {
      if (!IsStandard(*node) || node->output_size() != 1) continue;
      std::optional<Numbers> result = Apply(*node);
      if (!result.has_value() || result->elements.size() > size_t{kMaxElements}) continue;
      computed_.insert(node->name());
      values_[node->output(0)] = *std::move(result);
    }
  }

  const std::set<std::string>& computed() const { return computed_; }
  const Numbers* Find(const std::string& value) const {
    const auto it = values_.find(value);
    return it == values_.end() ? nullptr : &it->second;
  }

  /// The name of dimension `i` of `value`: that which others share, or one of its own.
  std::string OpenName(const std::string& value, size_t i) const {
    const std::string& shared = dims_.at(value)[i].name;
    return shared.empty() ? absl::StrCat("\n", i, " of ", value) : shared;
  }

 private:
  std::optional<Numbers> Apply(const onnx::NodeProto& node) const {
    const std::string& op = node.op_type();
    if (op == "Shape") return ShapeOf(node);
    std::vector<const Numbers*> inputs;
    for (const std::string& input : node.input()) inputs.push_back(Find(input));
    if (inputs.empty() || inputs[0] == nullptr) return std::nullopt;
    if (op == "Identity" ||
        (op == "Cast" && IntAttribute(node, "to", 0) == onnx::TensorProto::INT64)) {
      return *inputs[0];
    }
    if (op == "Gather") return Gather(node, inputs);
    if (op == "Unsqueeze") return Reshaped(node, inputs, /*scalar=*/false);
    if (op == "Squeeze") return Reshaped(node, inputs, /*scalar=*/true);
    if (op == "Concat") return Concat(node, inputs);
    if (op == "Slice") return Slice(inputs);
    if (op == "Add" || op == "Sub" || op == "Mul" || op == "Div") return Calculate(op, inputs);
    return std::nullopt;
  }

  std::optional<Numbers> ShapeOf(const onnx::NodeProto& node) const {
    const auto dims = dims_.find(node.input(0));
    if (dims == dims_.end() || node.attribute_size() > 0) return std::nullopt;
    Numbers numbers;
    for (size_t i = 0; i < dims->second.size(); ++i) {
      const int64_t size = dims->second[i].size;
      numbers.elements.push_back(size >= 0 ? Element{size, ""}
                                           : Element{0, OpenName(node.input(0), i)});
    }
    return numbers;
  }

  static std::optional<Numbers> Gather(const onnx::NodeProto& node,
                                       const std::vector<const Numbers*>& inputs) {
    if (inputs.size() < 2 || inputs[1] == nullptr || !inputs[1]->known() || inputs[0]->scalar ||
        IntAttribute(node, "axis", 0) != 0) {
      return std::nullopt;
    }
    Numbers result{.scalar = inputs[1]->scalar};
    const auto count = static_cast<int64_t>(inputs[0]->elements.size());
    for (const Element& index : inputs[1]->elements) {
      const int64_t i = index.number < 0 ? index.number + count : index.number;
      if (i < 0 || i >= count) return std::nullopt;
      result.elements.push_back(inputs[0]->elements[i]);
    }
    return result;
  }

  /// Scalar to row of one and back; other ranks are no numbers of ours.
  static std::optional<Numbers> Reshaped(const onnx::NodeProto& node,
                                         const std::vector<const Numbers*>& inputs, bool scalar) {
    const Numbers& numbers = *inputs[0];
    if (numbers.scalar == scalar || numbers.elements.size() != 1) return std::nullopt;
    std::vector<int64_t> axes = IntsAttribute(node, "axes", {});
    if (inputs.size() > 1) {
      if (inputs[1] == nullptr || !inputs[1]->known()) return std::nullopt;
      for (const Element& axis : inputs[1]->elements) axes.push_back(axis.number);
    }
    const bool first = axes.size() == 1 && IsFirst(axes[0]);
    // A Squeeze without axes takes every dimension of one.
    if (!first && !(scalar && axes.empty())) return std::nullopt;
    return Numbers{scalar, numbers.elements};
  }

  /// Of a row.
  static bool IsFirst(int64_t axis) { return axis == 0 || axis == -1; }

  static std::optional<Numbers> Concat(const onnx::NodeProto& node,
                                       const std::vector<const Numbers*>& inputs) {
    if (!IsFirst(IntAttribute(node, "axis", 0))) return std::nullopt;
    Numbers result;
    for (const Numbers* part : inputs) {
      if (part == nullptr || part->scalar) return std::nullopt;
      result.elements.insert(result.elements.end(), part->elements.begin(), part->elements.end());
      if (result.elements.size() > size_t{kMaxElements}) return std::nullopt;
    }
    return result;
  }

  /// x[start:end] with a step of 1.
  static std::optional<Numbers> Slice(const std::vector<const Numbers*>& inputs) {
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i] == nullptr || !inputs[i]->known() || inputs[i]->elements.size() != 1) {
        return std::nullopt;
      }
    }
    if (inputs.size() < 3 || inputs[0]->scalar) return std::nullopt;
    if (inputs.size() > 4 && inputs[4]->elements[0].number != 1) return std::nullopt;
    const auto count = static_cast<int64_t>(inputs[0]->elements.size());
    const auto place = [count](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? at + count : at, 0, count);
    };
    const int64_t start = place(inputs[1]->elements[0].number);
    const int64_t end = std::max(start, place(inputs[2]->elements[0].number));
    return Numbers{false, {inputs[0]->elements.begin() + start, inputs[0]->elements.begin() + end}};
  }

  static std::optional<Numbers> Calculate(const std::string& op,
                                          const std::vector<const Numbers*>& inputs) {
    if (inputs.size() != 2 || inputs[1] == nullptr || !inputs[0]->known() || !inputs[1]->known()) {
      return std::nullopt;
    }
    const auto& a = inputs[0]->elements;
    const auto& b = inputs[1]->elements;
    if (a.size() != b.size()) return std::nullopt;
    Numbers result{.scalar = inputs[0]->scalar && inputs[1]->scalar};
    for (size_t i = 0; i < a.size(); ++i) {
      int64_t value = 0;
      const int64_t x = a[i].number, y = b[i].number;
      bool bad = false;
      if (op == "Add") bad = __builtin_add_overflow(x, y, &value);
      if (op == "Sub") bad = __builtin_sub_overflow(x, y, &value);
      if (op == "Mul") bad = __builtin_mul_overflow(x, y, &value);
      if (op == "Div") {
        // Signs are where languages differ; sizes have none.
        bad = x < 0 || y <= 0;
        value = bad ? 0 : x / y;
      }
      if (bad) return std::nullopt;
      result.elements.push_back({value, ""});
    }
    return result;
  }

  const internal::DimsByValue& dims_;
  std::map<std::string, Numbers> values_;
  std::set<std::string> computed_;
};

/// What a Reshape of `input` to `target` may read instead: known numbers, 0 where an open dimension
/// stays in its place, -1 for one open number that all others settle. Nothing when that cannot say
/// it.
std::optional<std::vector<int64_t>> FixedTarget(const ShapeArithmetic& arithmetic,
                                                const internal::DimsByValue& dims,
                                                const onnx::NodeProto& reshape,
                                                const Numbers& target) {
  const auto input = dims.find(reshape.input(0));
  if (input == dims.end() || IntAttribute(reshape, "allowzero", 0) != 0) return std::nullopt;
  std::vector<int64_t> fixed;
  int open = 0;
  for (size_t i = 0; i < target.elements.size(); ++i) {
    const Element& element = target.elements[i];
    if (element.open.empty()) {
      fixed.push_back(element.number);
      open += element.number == -1;
    } else if (i < input->second.size() && input->second[i].size < 0 &&
               arithmetic.OpenName(reshape.input(0), i) == element.open) {
      fixed.push_back(0);
    } else {
      fixed.push_back(-1);
      ++open;
    }
  }
  if (open > 1) return std::nullopt;
  return fixed;
}

/// The scales that lead a Resize to `sizes`, where these leave batch and channels alone. Nothing
/// when a scale would not lead there exactly.
std::optional<std::vector<float>> ScalesFor(const ShapeArithmetic& arithmetic,
                                            const internal::DimsByValue& dims,
                                            const onnx::NodeProto& resize, const Numbers& sizes) {
  const auto input = dims.find(resize.input(0));
  if (input == dims.end() || input->second.size() != sizes.elements.size() ||
      StringAttribute(resize, "coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    return std::nullopt;
  }
  std::vector<float> scales;
  for (size_t i = 0; i < sizes.elements.size(); ++i) {
    const auto& [number, open] = sizes.elements[i];
    const int64_t before = input->second[i].size;
    const bool same = open.empty() ? number == before
                                   : before < 0 && arithmetic.OpenName(resize.input(0), i) == open;
    const float from = static_cast<float>(before), to = static_cast<float>(number);
    const float scale = same ? 1.0f : to / from;
    const bool exact = i >= 2 && open.empty() && before > 0 && number > 0 &&
                       static_cast<int64_t>(std::floor(from * scale)) == number;
    if (!same && !exact) return std::nullopt;
    scales.push_back(scale);
  }
  return scales;
}

/// What becomes an initializer in one round: values under their own names, and what nodes read
/// instead.
struct Folds {
  std::map<std::string, Numbers> made;
  /// Reshape -> name of its new target.
  std::map<std::string, std::string> targets;
  /// Resize -> its scales, in place of sizes.
  std::map<std::string, std::vector<float>> scales;
};

bool ReadsSizes(const onnx::NodeProto& node) {
  return IsOp(node, "Resize") && node.input_size() == 4 && !node.input(3).empty();
}

Folds FindFolds(const Graph& graph, const ShapeArithmetic& arithmetic,
                const internal::DimsByValue& dims) {
  Folds folds;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (arithmetic.computed().contains(node->name())) continue;
    if (const Numbers* sizes = ReadsSizes(*node) ? arithmetic.Find(node->input(3)) : nullptr) {
      const auto scales = ScalesFor(arithmetic, dims, *node, *sizes);
      if (scales.has_value()) folds.scales[node->name()] = *scales;
    }
    for (int i = 0; i < node->input_size(); ++i) {
      const std::string& value = node->input(i);
      const onnx::NodeProto* producer = graph.Producer(value);
      if (producer == nullptr || !arithmetic.computed().contains(producer->name())) continue;
      const Numbers& numbers = *arithmetic.Find(value);
      if (graph.IsOutput(value)) continue;
      if (numbers.known()) {
        folds.made[value] = numbers;
      } else if (IsOp(*node, "Reshape") && i == 1) {
        const auto fixed = FixedTarget(arithmetic, dims, *node, numbers);
        if (!fixed.has_value()) continue;
        const std::string name = UnusedName(graph, absl::StrCat(node->name(), "/shape"));
        for (const int64_t number : *fixed) folds.made[name].elements.push_back({number, ""});
        folds.targets[node->name()] = name;
      }
    }
  }
  return folds;
}

void Apply(const Folds& folds, Graph& graph) {
  onnx::GraphProto& proto = *graph.mutable_proto().mutable_graph();
  for (onnx::NodeProto& node : *proto.mutable_node()) {
    const auto target = folds.targets.find(node.name());
    if (target != folds.targets.end()) node.set_input(1, target->second);
    const auto scales = folds.scales.find(node.name());
    if (scales == folds.scales.end()) continue;
    const std::string name = UnusedName(graph, absl::StrCat(node.name(), "/scales"));
    const auto rank = static_cast<int64_t>(scales->second.size());
    *proto.add_initializer() =
        TensorToProto(name, Tensor::Of<float>({rank}, absl::MakeConstSpan(scales->second)));
    node.set_input(2, name);
    node.mutable_input()->RemoveLast();
  }
  // A value that becomes an initializer keeps its name; its maker goes.
  std::set<std::string> makers;
  for (const auto& [name, numbers] : folds.made) {
    if (const onnx::NodeProto* producer = graph.Producer(name)) makers.insert(producer->name());
  }
  RemoveNodes(graph, makers);
  for (const auto& [name, numbers] : folds.made) {
    std::vector<int64_t> list;
    for (const Element& element : numbers.elements) list.push_back(element.number);
    const Shape shape = numbers.scalar ? Shape{} : Shape{static_cast<int64_t>(list.size())};
    *proto.add_initializer() = TensorToProto(name, Tensor::Of<int64_t>(shape, list));
  }
  graph.Reindex();
}

/// Removes those of the nodes that nobody reads any more; what nobody read before stays.
void RemoveUnread(const std::set<std::string>& nodes, Graph& graph) {
  for (bool again = true; again;) {
    std::set<std::string> dead;
    for (const onnx::NodeProto* node : graph.nodes()) {
      if (!nodes.contains(node->name())) continue;
      const std::string& value = node->output(0);
      if (graph.Consumers(value).empty() && !graph.IsOutput(value)) dead.insert(node->name());
    }
    again = !dead.empty();
    if (again) RemoveNodes(graph, dead);
  }
}

/// One round; false when there was nothing to do.
bool FoldShapeArithmetic(Graph& graph) {
  const absl::StatusOr<internal::DimsByValue> dims = internal::InferDims(graph.proto());
  if (!dims.ok()) return false;
  const ShapeArithmetic arithmetic(graph, *dims);
  const Folds folds = FindFolds(graph, arithmetic, *dims);
  if (folds.made.empty() && folds.scales.empty()) return false;
  Apply(folds, graph);
  RemoveUnread(arithmetic.computed(), graph);
  return true;
}

}  // namespace

void FoldConstants(Graph& graph) {
  FoldConstantNodes(graph);
  FoldIdentities(graph);
  const auto has_shape = [&graph] {
    return std::any_of(graph.nodes().begin(), graph.nodes().end(), [](const onnx::NodeProto* node) {
      return IsOp(*node, "Shape") || ReadsSizes(*node);
    });
  };
  // A target that is known now makes known shapes, of which the next target is made.
  for (int round = 0; round < kMaxRounds && has_shape() && FoldShapeArithmetic(graph); ++round) {
  }
}

}  // namespace trainyard::graph
