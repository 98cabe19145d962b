#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/pruning/internal/tracer.h"
#include "onnx/onnx_pb.h"

namespace trainyard::pruning {
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

bool AllOnes(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](int64_t dim) { return dim == 1; });
}

}  // namespace

absl::Status ChannelTracer::Apply(const onnx::NodeProto& node) {
  const std::string& op = node.op_type();
  KeepForBodies(node);
  if (!graph::IsStandard(node) || node.output_size() == 0) return Barrier(node);
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

absl::Status ChannelTracer::Pass(const onnx::NodeProto& node) {
  Output(node, Input(node, 0));
  // A mask or an index beside the value (Dropout, MaxPool) follows it, but nobody may read it
  // here.
  for (int i = 1; i < node.output_size(); ++i) {
    if (graph_.Consumers(node.output(i)).empty() && !graph_.IsOutput(node.output(i))) continue;
    return Barrier(node);
  }
  return absl::OkStatus();
}

absl::Status ChannelTracer::Convolution(const onnx::NodeProto& node) {
  if (!IsKernel(node, 1) || RankOf(node.input(1)) < 3) {
    return Barrier(node, "has a kernel that is no constant");
  }
  const Shape& kernel = *ShapeOf(node.input(1));
  const bool constant_bias = node.input_size() < 3 || node.input(2).empty() || IsConstant(node, 2);
  const int64_t group = graph::IntAttribute(node, "group", 1);
  const bool depthwise = group > 1 && group == kernel[0] && kernel[1] == 1;
  if (!constant_bias) return Barrier(node, "has a bias that is no constant");
  if (group > 1 && !depthwise) return Barrier(node, "has groups, which keep their places");
  if (depthwise && PlaceCount(Input(node, 0)) == kernel[0]) return Depthwise(node, kernel[0]);
  if (depthwise) return Barrier(node);
  const Channels own = {{AddLayer(node, 0, kernel[0]), kernel[0], 1}};
  TY_RETURN_IF_ERROR(Slice(node, 1, 1, Input(node, 0, kernel[1])));
  return Filters(node, own);
}

absl::Status ChannelTracer::Filters(const onnx::NodeProto& node, const Channels& own) {
  TY_RETURN_IF_ERROR(Slice(node, 1, 0, own));
  if (IsConstant(node, 2)) TY_RETURN_IF_ERROR(Slice(node, 2, 0, own));
  Output(node, own);
  return absl::OkStatus();
}

absl::Status ChannelTracer::Depthwise(const onnx::NodeProto& node, int64_t channels) {
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

absl::Status ChannelTracer::Dense(const onnx::NodeProto& node) {
  const bool gemm = node.op_type() == "Gemm";
  if (RankOf(node.input(0)) < 0) {
    return Barrier(node, absl::StrCat("reads '", node.input(0), "', whose shape is not known"));
  }
  const bool plain = RankOf(node.input(0)) == 2 && IsKernel(node, 1) &&
                     RankOf(node.input(1)) == 2 && graph::IntAttribute(node, "transA", 0) == 0 &&
                     !IsConstant(node, 0);
  const bool constant_bias = node.input_size() < 3 || node.input(2).empty() || IsConstant(node, 2);
  if (!plain || !constant_bias) return Barrier(node);
  const int64_t axis = gemm && graph::IntAttribute(node, "transB", 0) != 0 ? 0 : 1;
  const Shape& kernel = *ShapeOf(node.input(1));
  const int64_t units = kernel[axis];
  const Channels own = {{AddLayer(node, axis, units), units, 1}};
  TY_RETURN_IF_ERROR(Slice(node, 1, 1 - axis, Input(node, 0, kernel[1 - axis])));
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

absl::Status ChannelTracer::BatchNorm(const onnx::NodeProto& node) {
  for (int i = 1; i < 5; ++i) {
    if (!IsConstant(node, i)) return Barrier(node);
  }
  const Shape& gamma = *ShapeOf(node.input(1));
  const Channels channels = Input(node, 0, gamma.empty() ? 0 : gamma[0]);
  for (int i = 1; i < 5; ++i) TY_RETURN_IF_ERROR(Slice(node, i, 0, channels));
  return Pass(node);
}

absl::Status ChannelTracer::Transposed(const onnx::NodeProto& node) {
  if (!IsKernel(node, 1) || graph::IntAttribute(node, "group", 1) != 1) return Barrier(node);
  TY_RETURN_IF_ERROR(Slice(node, 1, 0, Input(node, 0, (*ShapeOf(node.input(1)))[0])));
  Output(node, FixedOf(node.output(0)));
  return absl::OkStatus();
}

absl::Status ChannelTracer::Concat(const onnx::NodeProto& node) {
  int64_t axis = graph::IntAttribute(node, "axis", 0);
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

absl::Status ChannelTracer::Flatten(const onnx::NodeProto& node) {
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
  if (RankOf(to) == 2 &&
      (reshape || graph::IntAttribute(node, "axis", 1) == 1 || IsSecondAxis(node))) {
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

bool ChannelTracer::IsSecondAxis(const onnx::NodeProto& node) const {
  return graph::IntAttribute(node, "axis", 1) + RankOf(node.input(0)) == 1;
}

absl::Status ChannelTracer::Reduce(const onnx::NodeProto& node) {
  const int64_t rank = RankOf(node.input(0));
  const std::vector<int64_t> axes = graph::IntsAttribute(node, "axes", {});
  if (rank < 2 || axes.empty()) return Barrier(node);
  for (const int64_t axis : axes) {
    const int64_t at = axis < 0 ? axis + rank : axis;
    if (at < 2 || at >= rank) return Barrier(node);
  }
  return Pass(node);
}

absl::Status ChannelTracer::Spatial(const onnx::NodeProto& node) {
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

absl::Status ChannelTracer::Elementwise(const onnx::NodeProto& node) {
  const int64_t rank = RankOf(node.output(0));
  if (rank < 2) return Barrier(node);
  std::vector<Channels> operands;
  int64_t width = 0;
  for (int i = 0; i < node.input_size(); ++i) {
    const Shape* shape = ShapeOf(node.input(i));
    if (IsConstant(node, i) || (shape != nullptr && AllOnes(*shape))) continue;
    if (RankOf(node.input(i)) != rank) return Barrier(node);
    if (!HasChannels(node.input(i))) {
      return Barrier(node, absl::StrCat("reads '", node.input(i), "', whose shape is not known"));
    }
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
  if (const int64_t wide = ConstantWidth(node, rank); PlaceCount(*joined) == 1 && wide > 1) {
    for (const Channels& operand : operands) Fix(operand);
    Output(node, {{kFixedChannels, wide, 1}});
    return absl::OkStatus();
  }
  TY_RETURN_IF_ERROR(SliceConstants(node, rank, *joined));
  Output(node, *joined);
  return absl::OkStatus();
}

int64_t ChannelTracer::ConstantWidth(const onnx::NodeProto& node, int64_t rank) const {
  int64_t width = 0;
  for (int i = 0; i < node.input_size(); ++i) {
    if (!IsConstant(node, i)) continue;
    const int64_t axis = 1 - (rank - RankOf(node.input(i)));
    if (axis >= 0) width = std::max(width, (*ShapeOf(node.input(i)))[axis]);
  }
  return width;
}

absl::Status ChannelTracer::SliceConstants(const onnx::NodeProto& node, int64_t rank,
                                           const Channels& channels) {
  for (int i = 0; i < node.input_size(); ++i) {
    if (!IsConstant(node, i)) continue;
    const int64_t axis = 1 - (rank - RankOf(node.input(i)));
    if (axis < 0 || (*ShapeOf(node.input(i)))[axis] == 1) continue;
    TY_RETURN_IF_ERROR(Slice(node, i, axis, channels));
  }
  return absl::OkStatus();
}

}  // namespace trainyard::pruning
