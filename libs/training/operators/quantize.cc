// Q/DQ graphs, for reading: the arithmetic of INT8 in float.

#include "ATen/TensorOperators.h"
#include "ATen/ops/clamp.h"
#include "ATen/ops/round.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {
namespace {

// A scale or zero point of one element serves all; of several, it lies along `axis`.
at::Tensor Along(const at::Tensor& values, const at::Tensor& like, int64_t axis) {
  if (values.numel() == 1) return values.reshape({});
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[static_cast<size_t>(axis < 0 ? axis + like.dim() : axis)] = values.numel();
  return values.reshape(shape);
}

struct QuantizationSlots {
  int input, scale, zero_point, output;
  int64_t axis;
};

QuantizationSlots Slots(const NodeView& view) {
  return {.input = view.Input(0),
          .scale = view.Input(1),
          .zero_point = view.HasInput(2) ? view.Input(2) : -1,
          .output = view.Output(0),
          .axis = graph::IntAttribute(view.node(), "axis", 1)};
}

}  // namespace

absl::StatusOr<Step> MapQuantizeLinear(NodeView& view) {
  return Step([slots = Slots(view)](Frame& frame) {
    const at::Tensor& x = frame.values[slots.input];
    const at::Tensor scale = Along(frame.values[slots.scale], x, slots.axis);
    // Half to even, then the zero point, then saturation: ONNX's order. No zero point means u8.
    at::Tensor levels = at::round(x / scale);
    at::ScalarType type = at::kByte;
    if (slots.zero_point >= 0) {
      const at::Tensor& zero = frame.values[slots.zero_point];
      type = zero.scalar_type();
      levels = levels + Along(zero, x, slots.axis).to(at::kFloat);
    }
    const bool is_signed = type == at::kChar;
    frame.values[slots.output] =
        at::clamp(levels, is_signed ? -128 : 0, is_signed ? 127 : 255).to(type);
  });
}

absl::StatusOr<Step> MapDequantizeLinear(NodeView& view) {
  return Step([slots = Slots(view)](Frame& frame) {
    const at::Tensor& x = frame.values[slots.input];
    at::Tensor levels = x.to(at::kFloat);
    if (slots.zero_point >= 0) {
      levels = levels - Along(frame.values[slots.zero_point], x, slots.axis).to(at::kFloat);
    }
    frame.values[slots.output] = levels * Along(frame.values[slots.scale], x, slots.axis);
  });
}

}  // namespace trainyard::training
