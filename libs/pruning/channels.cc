#include "libs/pruning/channels.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/graph/reach.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
namespace {

using Names = std::set<std::string>;

/// One value in, one value out, channel by channel, without weights of their own.
const Names& PassingOperators() {
  static const Names& names = *new Names{"Abs",          "AveragePool",   "Cast",
                                         "Ceil",         "Clip",          "Dropout",
                                         "Elu",          "Erf",           "Exp",
                                         "Floor",        "Identity",      "GlobalAveragePool",
                                         "GlobalLpPool", "GlobalMaxPool", "HardSigmoid",
                                         "HardSwish",    "LeakyRelu",     "Log",
                                         "LpPool",       "MaxPool",       "Neg",
                                         "Reciprocal",   "Relu",          "Selu",
                                         "Sigmoid",      "Softplus",      "Softsign",
                                         "Sqrt",         "Tanh",          "ThresholdedRelu"};
  return names;
}

const Names& ElementwiseOperators() {
  static const Names& names =
      *new Names{"Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "PRelu", "Sub", "Sum"};
  return names;
}

bool SameRuns(const Channels& a, const Channels& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.width == y.width && x.repeat == y.repeat;
  });
}

bool AllOnes(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](int64_t dim) { return dim == 1; });
}

}  // namespace

/// Walks the graph once, in order, and fills a ChannelMap.
class ChannelTracer {
 public:
  ChannelTracer(const Graph& graph, const Names& excluded,
                const std::map<std::string, Shape>& shapes)
      : graph_(graph),
        excluded_(excluded),
        shapes_(shapes),
        inner_(NodesBefore(graph, {"Conv", "ConvTranspose", "Gemm", "MatMul"})) {}

  absl::StatusOr<ChannelMap> Trace() && {
    for (const std::string& input : graph_.InputNames()) values_[input] = FixedOf(input);
    for (const onnx::NodeProto* node : graph_.nodes()) {
      TY_RETURN_IF_ERROR(Annotate(Apply(*node), Describe(*node)));
    }
    for (const std::string& output : graph_.OutputNames()) Fix(values_[output]);
    ShareWeights();
    KeepForBarriers();
    return std::move(map_);
  }

 private:
  // --- looking at the graph ---

  const Shape* ShapeOf(const std::string& value) const {
    const auto it = shapes_.find(value);
    return it == shapes_.end() ? nullptr : &it->second;
  }
  int64_t RankOf(const std::string& value) const {
    const Shape* shape = ShapeOf(value);
    return shape == nullptr ? -1 : static_cast<int64_t>(shape->size());
  }
  /// The product of the dimensions from `first` on; nothing when one is not known or the rank is
  /// smaller. PlaceCount and the kernels bound what is made of it.
  std::optional<int64_t> SizeFrom(const std::string& value, size_t first) const {
    const Shape* shape = ShapeOf(value);
    if (shape == nullptr || shape->size() < first) return std::nullopt;
    const auto size = ElementCount(absl::MakeConstSpan(*shape).subspan(first));
    if (!size.ok()) return std::nullopt;  // an open dimension is -1, which counts nothing
    return *size;
  }
  /// Places on each channel, H * W.
  std::optional<int64_t> PlaneOf(const std::string& value) const {
    const auto plane = SizeFrom(value, 2);
    return plane.value_or(0) > 0 ? plane : std::nullopt;
  }
  Channels FixedOf(const std::string& value) const {
    const Shape* shape = ShapeOf(value);
    if (shape == nullptr || shape->size() < 2) return {};
    return {{kFixedChannels, std::max<int64_t>((*shape)[1], 0), 1}};
  }
  Channels Input(const onnx::NodeProto& node, int i) const {
    const auto it = values_.find(node.input(i));
    return it == values_.end() ? FixedOf(node.input(i)) : it->second;
  }
  /// The same where weights with `places` channels read it: what has no known shape lies behind a
  /// barrier, where nothing is cut.
  Channels Input(const onnx::NodeProto& node, int i, int64_t places) const {
    if (!values_.contains(node.input(i)) || HasChannels(node.input(i))) return Input(node, i);
    return {{kFixedChannels, places, 1}};
  }
  /// Whether it is known how many channels the value has.
  bool HasChannels(const std::string& value) const {
    const auto it = values_.find(value);
    if (it == values_.end()) return true;  // a constant
    const Shape* shape = ShapeOf(value);
    if (shape != nullptr) return shape->size() < 2 || (*shape)[1] >= 0;
    return !it->second.empty();
  }
  bool IsConstant(const onnx::NodeProto& node, int i) const {
    return i < node.input_size() && graph_.HasInitializer(node.input(i));
  }
  /// Whether input `i` holds weights that have channels at all.
  bool IsKernel(const onnx::NodeProto& node, int i) const {
    const Shape* shape = IsConstant(node, i) ? ShapeOf(node.input(i)) : nullptr;
    return shape != nullptr &&
           std::all_of(shape->begin(), shape->end(), [](int64_t dim) { return dim > 0; });
  }
  static std::string Describe(const onnx::NodeProto& node) {
    const int64_t group = IntAttribute(node, "group", 1);
    if (group == 1) return absl::StrFormat("node '%s' (%s)", node.name(), node.op_type());
    return absl::StrFormat("node '%s' (%s, group=%d)", node.name(), node.op_type(), group);
  }

  // --- writing the map ---

  int Root(int layer) const { return map_.GroupOf(layer); }
  void Join(int a, int b) {
    const int low = std::min(Root(a), Root(b)), high = std::max(Root(a), Root(b));
    if (low == high) return;
    map_.parent_[high] = low;
    map_.fixed_[low] = map_.fixed_[low] || map_.fixed_[high];
  }
  void Fix(const Channels& channels) {
    for (const ChannelRun& run : channels) {
      if (run.layer != kFixedChannels) map_.fixed_[Root(run.layer)] = true;
    }
  }
  void Output(const onnx::NodeProto& node, Channels channels) {
    values_[node.output(0)] = std::move(channels);
  }
  /// The weights at input `i` hold `channels` along `axis`. kInvalidArgument when their number
  /// differs.
  absl::Status Slice(const onnx::NodeProto& node, int i, int64_t axis, const Channels& channels) {
    const std::string& name = node.input(i);
    const Shape* shape = ShapeOf(name);
    const int64_t places = PlaceCount(channels);
    if (shape == nullptr || axis >= static_cast<int64_t>(shape->size()) ||
        (*shape)[axis] != places) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "'%s' has shape %s; expected %d places along axis %d, one for each channel", name,
          shape == nullptr ? "unknown" : ShapeText(*shape), places, axis));
    }
    map_.slices_.push_back({name, axis, channels, node.name()});
    return absl::OkStatus();
  }
  int AddLayer(const onnx::NodeProto& node, int64_t axis, int64_t channels) {
    const int layer = static_cast<int>(map_.layers_.size());
    map_.layers_.push_back({node.name(), node.input(1), axis, channels});
    map_.parent_.push_back(layer);
    map_.fixed_.push_back(excluded_.contains(node.name()) || !inner_.contains(node.name()));
    return layer;
  }

  /// A node without a channel rule: what it reads must stay whole, what it makes nobody may cut.
  absl::Status Barrier(const onnx::NodeProto& node, absl::string_view why = "has no channel rule") {
    Channels read;
    for (int i = 0; i < node.input_size(); ++i) {
      const Channels input = Input(node, i);
      read.insert(read.end(), input.begin(), input.end());
    }
    KeepWhole(absl::StrCat(Describe(node), " ", why), read, excluded_.contains(node.name()));
    for (const std::string& output : node.output()) values_[output] = FixedOf(output);
    return absl::OkStatus();
  }
  /// Bodies of a node read values that are no inputs of it.
  void KeepForBodies(const onnx::NodeProto& node) {
    const bool has_body =
        std::any_of(node.attribute().begin(), node.attribute().end(),
                    [](const auto& a) { return a.has_g() || a.graphs_size() > 0; });
    if (!has_body) return;
    Channels read;
    for (const auto& [value, channels] : values_) {
      const auto& readers = graph_.Consumers(value);
      if (std::find(readers.begin(), readers.end(), &node) == readers.end()) continue;
      read.insert(read.end(), channels.begin(), channels.end());
    }
    KeepWhole(absl::StrCat(Describe(node), " reads them in a body"), read,
              excluded_.contains(node.name()));
  }
  void KeepWhole(std::string reason, const Channels& channels, bool asked_for) {
    if (asked_for) return Fix(channels);
    kept_for_.emplace_back(std::move(reason), channels);
  }
  /// Fixes what the barriers read, and tells of the layers that would be free without them. Last,
  /// so that heads and what is bound to them are not told of.
  void KeepForBarriers() {
    std::set<std::string> told;
    for (const auto& [reason, channels] : kept_for_) {
      KeptLayers kept{.reason = reason};
      for (const ChannelRun& run : channels) {
        if (run.layer == kFixedChannels || map_.fixed_[Root(run.layer)]) continue;
        const std::string& name = map_.layers_[run.layer].name;
        if (told.insert(name).second) kept.layers.push_back(name);
      }
      if (!kept.layers.empty()) map_.kept_.push_back(std::move(kept));
    }
    for (const auto& [reason, channels] : kept_for_) Fix(channels);
  }

  // --- one rule for each family of operators ---

  absl::Status Apply(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    KeepForBodies(node);
    if (!IsStandard(node) || node.output_size() == 0) return Barrier(node);
    if (op == "Conv") return Convolution(node);
    if (op == "Gemm" || op == "MatMul") return Dense(node);
    if (op == "BatchNormalization") return BatchNorm(node);
    if (op == "ConvTranspose") return Transposed(node);
    if (op == "Concat") return Concat(node);
    if (op == "Flatten" || op == "Reshape") return Flatten(node);
    if (op == "Pad" || op == "Resize") return Spatial(node);
    if (op == "ReduceMean" || op == "ReduceMax" || op == "ReduceMin") return Reduce(node);
    if (PassingOperators().contains(op)) return Pass(node);
    if (ElementwiseOperators().contains(op)) return Elementwise(node);
    return Barrier(node);
  }

  absl::Status Pass(const onnx::NodeProto& node) {
    Output(node, Input(node, 0));
    // A mask or an index beside the value (Dropout, MaxPool) follows it, but nobody may read it
    // here.
    for (int i = 1; i < node.output_size(); ++i) {
      if (graph_.Consumers(node.output(i)).empty() && !graph_.IsOutput(node.output(i))) continue;
      return Barrier(node);
    }
    return absl::OkStatus();
  }

  absl::Status Convolution(const onnx::NodeProto& node) {
    if (!IsKernel(node, 1) || RankOf(node.input(1)) < 3) {
      return Barrier(node, "has a kernel that is no constant");
    }
    const Shape& kernel = *ShapeOf(node.input(1));
    const bool constant_bias =
        node.input_size() < 3 || node.input(2).empty() || IsConstant(node, 2);
    const int64_t group = IntAttribute(node, "group", 1);
    const bool depthwise = group > 1 && group == kernel[0] && kernel[1] == 1;
    if (!constant_bias) return Barrier(node, "has a bias that is no constant");
    if (group > 1 && !depthwise) return Barrier(node, "has groups, which keep their places");
    if (depthwise && PlaceCount(Input(node, 0)) == kernel[0]) return Depthwise(node, kernel[0]);
    if (depthwise) return Barrier(node);
    const Channels own = {{AddLayer(node, 0, kernel[0]), kernel[0], 1}};
    TY_RETURN_IF_ERROR(Slice(node, 1, 1, Input(node, 0, kernel[1])));
    return Filters(node, own);
  }

  /// Slices kernel and bias of a convolution along its filters and puts those out.
  absl::Status Filters(const onnx::NodeProto& node, const Channels& own) {
    TY_RETURN_IF_ERROR(Slice(node, 1, 0, own));
    if (IsConstant(node, 2)) TY_RETURN_IF_ERROR(Slice(node, 2, 0, own));
    Output(node, own);
    return absl::OkStatus();
  }

  /// As many channels out as in: it must agree with its producer, and its own norms count too.
  /// Behind a Concat it only follows.
  absl::Status Depthwise(const onnx::NodeProto& node, int64_t channels) {
    const Channels input = Input(node, 0);
    Channels own = input;
    if (input.size() == 1 && input[0].repeat == 1) {
      const int layer = AddLayer(node, 0, channels);
      own = {{layer, channels, 1}};
      if (input[0].layer == kFixedChannels) {
        Fix(own);
      } else {
        Join(input[0].layer, layer);
      }
    } else if (excluded_.contains(node.name())) {
      Fix(input);
    }
    map_.depthwise_.emplace_back(node.name(), own);
    return Filters(node, own);
  }

  absl::Status Dense(const onnx::NodeProto& node) {
    const bool gemm = node.op_type() == "Gemm";
    if (RankOf(node.input(0)) < 0) {
      return Barrier(node, absl::StrCat("reads '", node.input(0), "', whose shape is not known"));
    }
    const bool plain = RankOf(node.input(0)) == 2 && IsKernel(node, 1) &&
                       RankOf(node.input(1)) == 2 && IntAttribute(node, "transA", 0) == 0 &&
                       !IsConstant(node, 0);
    const bool constant_bias =
        node.input_size() < 3 || node.input(2).empty() || IsConstant(node, 2);
    if (!plain || !constant_bias) return Barrier(node);
    const int64_t axis = gemm && IntAttribute(node, "transB", 0) != 0 ? 0 : 1;
    const int64_t units = (*ShapeOf(node.input(1)))[axis];
    const Channels own = {{AddLayer(node, axis, units), units, 1}};
    TY_RETURN_IF_ERROR(Slice(node, 1, 1 - axis, Input(node, 0)));
    TY_RETURN_IF_ERROR(Slice(node, 1, axis, own));
    if (IsConstant(node, 2)) {
      const int64_t rank = RankOf(node.input(2));
      // A bias of one number is added to every unit.
      const bool per_unit = rank > 0 && (*ShapeOf(node.input(2)))[rank - 1] != 1;
      if (per_unit) TY_RETURN_IF_ERROR(Slice(node, 2, rank - 1, own));
    }
    Output(node, own);
    return absl::OkStatus();
  }

  absl::Status BatchNorm(const onnx::NodeProto& node) {
    for (int i = 1; i < 5; ++i) {
      if (!IsConstant(node, i)) return Barrier(node);
    }
    const Shape& gamma = *ShapeOf(node.input(1));
    const Channels channels = Input(node, 0, gamma.empty() ? 0 : gamma[0]);
    for (int i = 1; i < 5; ++i) TY_RETURN_IF_ERROR(Slice(node, i, 0, channels));
    return Pass(node);
  }

  /// Its own filters are never scored (TAO); it takes fewer inputs.
  absl::Status Transposed(const onnx::NodeProto& node) {
    if (!IsKernel(node, 1) || IntAttribute(node, "group", 1) != 1) return Barrier(node);
    TY_RETURN_IF_ERROR(Slice(node, 1, 0, Input(node, 0, (*ShapeOf(node.input(1)))[0])));
    Output(node, FixedOf(node.output(0)));
    return absl::OkStatus();
  }

  absl::Status Concat(const onnx::NodeProto& node) {
    int64_t axis = IntAttribute(node, "axis", 0);
    const int64_t rank = RankOf(node.output(0));
    if (axis < 0) axis += rank;
    if (rank < 2 || axis != 1) return Barrier(node);
    Channels joined;
    for (int i = 0; i < node.input_size(); ++i) {
      if (IsConstant(node, i)) return Barrier(node, "joins a constant");
      if (!HasChannels(node.input(i))) {
        return Barrier(node, absl::StrCat("reads '", node.input(i), "', whose shape is not known"));
      }
      const Channels part = Input(node, i);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    Output(node, joined);
    return absl::OkStatus();
  }

  /// Flatten, and the Reshapes that do the same or leave batch and channels alone; others are
  /// barriers. What a Reshape does is read from the shapes before and after it.
  absl::Status Flatten(const onnx::NodeProto& node) {
    const std::string& from = node.input(0);
    const std::string& to = node.output(0);
    const std::optional<int64_t> plane = PlaneOf(from), all = SizeFrom(from, 1);
    if (!plane.has_value() || !all.has_value()) {
      return Barrier(node, absl::StrCat("reads '", from, "', whose shape is not known"));
    }
    const bool reshape = node.op_type() == "Reshape";
    if (reshape && !IsConstant(node, 1)) return Barrier(node, "has a target that is no constant");
    // Equal sizes of an image mean that the batch is left alone.
    if (SizeFrom(to, 1) != all || RankOf(to) < 2) return Barrier(node);
    const int64_t before = (*ShapeOf(from))[1], after = (*ShapeOf(to))[1];
    Channels channels = Input(node, 0);
    if (RankOf(to) == 2 && (reshape || IntAttribute(node, "axis", 1) == 1 || IsSecondAxis(node))) {
      for (ChannelRun& run : channels) run.repeat *= *plane;
      if (reshape) map_.reshapes_.push_back({node.name(), {0, -1}, channels});
    } else if (before == after && reshape) {
      Shape target = *ShapeOf(to);
      target[0] = target[1] = 0;
      map_.reshapes_.push_back({node.name(), std::move(target), channels});
    } else {
      return Barrier(node);
    }
    Output(node, channels);
    return absl::OkStatus();
  }

  /// Whether the axis of a Flatten is 1, counted from the end.
  bool IsSecondAxis(const onnx::NodeProto& node) const {
    return IntAttribute(node, "axis", 1) + RankOf(node.input(0)) == 1;
  }

  /// Reductions of height and width leave the channels where they are.
  absl::Status Reduce(const onnx::NodeProto& node) {
    const int64_t rank = RankOf(node.input(0));
    const std::vector<int64_t> axes = IntsAttribute(node, "axes", {});
    if (rank < 2 || axes.empty()) return Barrier(node);
    for (const int64_t axis : axes) {
      const int64_t at = axis < 0 ? axis + rank : axis;
      if (at < 2 || at >= rank) return Barrier(node);
    }
    return Pass(node);
  }

  /// Pad and Resize pass channels on when they leave batch and channel axes alone.
  absl::Status Spatial(const onnx::NodeProto& node) {
    const bool pad = node.op_type() == "Pad";
    const int at = pad ? 1 : 2;  // pads, or scales
    if (!IsConstant(node, at)) return Barrier(node);
    TY_ASSIGN_OR_RETURN(const Tensor values, graph_.Initializer(node.input(at)));
    const int64_t rank = RankOf(node.input(0));
    if (rank < 2) return Barrier(node);
    if (pad && values.dtype() == DType::kInt64 && values.size() == 2 * rank) {
      const auto pads = values.data<int64_t>();
      if (pads[0] == 0 && pads[1] == 0 && pads[rank] == 0 && pads[rank + 1] == 0) return Pass(node);
    }
    if (!pad && values.dtype() == DType::kFloat32 && values.size() == rank) {
      if (values.data<float>()[0] == 1 && values.data<float>()[1] == 1) return Pass(node);
    }
    return Barrier(node);
  }

  absl::Status Elementwise(const onnx::NodeProto& node) {
    const int64_t rank = RankOf(node.output(0));
    if (rank < 2) return Barrier(node);
    std::vector<Channels> operands;
    int64_t width = 0;
    for (int i = 0; i < node.input_size(); ++i) {
      const Shape* shape = ShapeOf(node.input(i));
      if (IsConstant(node, i) || (shape != nullptr && AllOnes(*shape))) continue;
      if (RankOf(node.input(i)) != rank) return Barrier(node);
      operands.push_back(Input(node, i));
      width = std::max(width, PlaceCount(operands.back()));
    }
    std::optional<Channels> joined;
    for (const Channels& operand : operands) {
      if (PlaceCount(operand) == 1 && width > 1) {
        Fix(operand);  // one channel for all of the others
      } else if (!joined.has_value()) {
        joined = operand;
      } else if (!SameRuns(*joined, operand)) {
        return Barrier(node);
      } else {
        Agree(*joined, operand);
      }
    }
    if (!joined.has_value()) return Barrier(node);
    TY_RETURN_IF_ERROR(SliceConstants(node, rank, *joined));
    Output(node, *joined);
    return absl::OkStatus();
  }

  void Agree(const Channels& a, const Channels& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i].layer == kFixedChannels || b[i].layer == kFixedChannels) {
        Fix({a[i], b[i]});
      } else {
        Join(a[i].layer, b[i].layer);
      }
    }
  }

  /// Constant operands are aligned with the output from the right; those with one place serve all.
  absl::Status SliceConstants(const onnx::NodeProto& node, int64_t rank, const Channels& channels) {
    for (int i = 0; i < node.input_size(); ++i) {
      if (!IsConstant(node, i)) continue;
      const int64_t axis = 1 - (rank - RankOf(node.input(i)));
      if (axis < 0 || (*ShapeOf(node.input(i)))[axis] == 1) continue;
      TY_RETURN_IF_ERROR(Slice(node, i, axis, channels));
    }
    return absl::OkStatus();
  }

  /// A weight with several readers is cut once for all of them: along each axis they agree, or
  /// nothing that lies there is cut.
  void ShareWeights() {
    std::map<std::string, std::vector<size_t>> by_weight;
    for (size_t i = 0; i < map_.slices_.size(); ++i) {
      by_weight[map_.slices_[i].initializer].push_back(i);
    }
    for (const auto& [weight, slices] : by_weight) {
      const bool agreed = AllReadersSlice(weight, slices) && AgreeOnAxes(slices);
      if (agreed) continue;
      Channels all;
      for (const size_t i : slices) {
        const Channels& channels = map_.slices_[i].channels;
        all.insert(all.end(), channels.begin(), channels.end());
      }
      KeepWhole(absl::StrCat("weights '", weight, "' have readers that need different parts"), all,
                false);
    }
  }
  /// Whether every node that reads the weight said along which axes it holds channels; the same
  /// ones, as a reader that takes an axis whole cannot share one that is cut.
  bool AllReadersSlice(const std::string& weight, const std::vector<size_t>& slices) const {
    std::map<std::string, std::set<int64_t>> axes;
    for (const size_t i : slices) axes[map_.slices_[i].reader].insert(map_.slices_[i].axis);
    for (const onnx::NodeProto* reader : graph_.Consumers(weight)) {
      const auto it = axes.find(reader->name());
      if (it == axes.end() || it->second != axes.begin()->second) return false;
    }
    return !graph_.IsOutput(weight);
  }
  bool AgreeOnAxes(const std::vector<size_t>& slices) {
    std::map<int64_t, const Channels*> first;
    for (const size_t i : slices) {
      const ChannelSlice& slice = map_.slices_[i];
      const auto [it, added] = first.emplace(slice.axis, &slice.channels);
      if (!SameRuns(*it->second, slice.channels)) return false;
    }
    for (const size_t i : slices) Agree(*first[map_.slices_[i].axis], map_.slices_[i].channels);
    return true;
  }

  const Graph& graph_;
  const Names& excluded_;
  const std::map<std::string, Shape>& shapes_;
  const Names inner_;
  std::map<std::string, Channels> values_;
  /// What barriers read, and why it must stay whole.
  std::vector<std::pair<std::string, Channels>> kept_for_;
  ChannelMap map_;
};

absl::StatusOr<ChannelMap> ChannelMap::Trace(const Graph& graph, const Names& excluded) {
  TY_ASSIGN_OR_RETURN(const auto shapes, graph.InferShapes());
  return ChannelTracer(graph, excluded, shapes).Trace();
}

int ChannelMap::GroupOf(int layer) const {
  while (parent_[layer] != layer) layer = parent_[layer];
  return layer;
}

std::vector<std::vector<int>> ChannelMap::Groups() const {
  std::map<int, std::vector<int>> by_root;
  for (int i = 0; i < static_cast<int>(layers_.size()); ++i) by_root[GroupOf(i)].push_back(i);
  std::vector<std::vector<int>> groups;
  for (auto& [root, members] : by_root) groups.push_back(std::move(members));
  return groups;
}

std::vector<int64_t> PlacesKept(const Channels& channels,
                                const std::vector<std::vector<int64_t>>& kept) {
  std::vector<int64_t> places;
  int64_t offset = 0;
  for (const ChannelRun& run : channels) {
    const bool fixed = run.layer == kFixedChannels;
    const int64_t count = fixed ? run.width : static_cast<int64_t>(kept[run.layer].size());
    for (int64_t i = 0; i < count; ++i) {
      const int64_t channel = fixed ? i : kept[run.layer][i];
      for (int64_t r = 0; r < run.repeat; ++r) places.push_back(offset + channel * run.repeat + r);
    }
    offset += run.width * run.repeat;
  }
  return places;
}

int64_t PlaceCount(const Channels& channels) {
  int64_t places = 0;
  for (const ChannelRun& run : channels) places += run.width * run.repeat;
  return places;
}

}  // namespace trainyard
