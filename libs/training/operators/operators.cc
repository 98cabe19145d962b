#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {
namespace {

std::string Where(const onnx::NodeProto& node) {
  return absl::StrCat("node '", node.name(), "' (", node.op_type(), "): ");
}

// Output size ceil(n / stride); the odd pixel goes behind (SAME_UPPER) or before (SAME_LOWER).
void SamePads(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int same,
              int64_t& before, int64_t& after) {
  const int64_t output = (size + stride - 1) / stride;
  const int64_t total =
      std::max<int64_t>(0, (output - 1) * stride + (kernel - 1) * dilation + 1 - size);
  before = same > 0 ? total / 2 : total - total / 2;
  after = total - before;
}

}  // namespace

absl::Status NodeView::Unimplemented(absl::string_view message) const {
  return absl::UnimplementedError(absl::StrCat(Where(node()), message));
}

absl::Status NodeView::Invalid(absl::string_view message) const {
  return absl::InvalidArgumentError(absl::StrCat(Where(node()), message));
}

Mapper FindMapper(absl::string_view op_type) {
  static const auto* const kMappers = new absl::flat_hash_map<absl::string_view, Mapper>{
      {"Add", MapAdd},
      {"AveragePool", MapAveragePool},
      {"BatchNormalization", MapBatchNormalization},
      {"Clip", MapClip},
      {"Concat", MapConcat},
      {"Conv", MapConv},
      {"DequantizeLinear", MapDequantizeLinear},
      {"Div", MapDiv},
      {"Dropout", MapDropout},
      {"Flatten", MapFlatten},
      {"Gemm", MapGemm},
      {"GlobalAveragePool", MapGlobalAveragePool},
      {"Identity", MapIdentity},
      {"LeakyRelu", MapLeakyRelu},
      {"MatMul", MapMatMul},
      {"MaxPool", MapMaxPool},
      {"Mul", MapMul},
      {"Pad", MapPad},
      {"QuantizeLinear", MapQuantizeLinear},
      {"Relu", MapRelu},
      {"Reshape", MapReshape},
      {"Sigmoid", MapSigmoid},
      {"Softmax", MapSoftmax},
      {"Squeeze", MapSqueeze},
      {"Sub", MapSub},
      {"Transpose", MapTranspose},
      {"Unsqueeze", MapUnsqueeze},
  };
  const auto found = kMappers->find(op_type);
  return found == kMappers->end() ? nullptr : found->second;
}

Pads Window::PadsFor(int64_t height, int64_t width, int64_t kernel_h, int64_t kernel_w) const {
  if (same == 0) return pads;
  Pads computed;
  SamePads(height, kernel_h, strides[0], dilations[0], same, computed.top, computed.bottom);
  SamePads(width, kernel_w, strides[1], dilations[1], same, computed.left, computed.right);
  return computed;
}

absl::StatusOr<Window> ReadWindow(const NodeView& view) {
  const onnx::NodeProto& node = view.node();
  Window window{.kernel = graph::IntsAttribute(node, "kernel_shape", {}),
                .strides = graph::IntsAttribute(node, "strides", {1, 1}),
                .dilations = graph::IntsAttribute(node, "dilations", {1, 1})};
  const std::vector<int64_t> pads = graph::IntsAttribute(node, "pads", {0, 0, 0, 0});
  if (window.strides.size() != 2 || window.dilations.size() != 2 || pads.size() != 4 ||
      (!window.kernel.empty() && window.kernel.size() != 2)) {
    return view.Unimplemented("only windows of two spatial dimensions are offered");
  }
  const auto positive = [](const std::vector<int64_t>& values) {
    return std::all_of(values.begin(), values.end(), [](int64_t value) { return value >= 1; });
  };
  if (!positive(window.kernel) || !positive(window.strides) || !positive(window.dilations) ||
      std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad < 0; })) {
    return view.Invalid("kernel_shape, strides and dilations must be at least 1 and pads at least 0");
  }
  window.pads = {.top = pads[0], .left = pads[1], .bottom = pads[2], .right = pads[3]};
  const std::string auto_pad = graph::StringAttribute(node, "auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER") {
    window.same = 1;
  } else if (auto_pad == "SAME_LOWER") {
    window.same = -1;
  } else if (auto_pad == "VALID") {
    window.pads = {};
  } else if (auto_pad != "NOTSET") {
    return view.Invalid(absl::StrCat("auto_pad is '", auto_pad,
                                     "'; expected NOTSET, SAME_UPPER, SAME_LOWER or VALID"));
  }
  return window;
}

}  // namespace trainyard::training
