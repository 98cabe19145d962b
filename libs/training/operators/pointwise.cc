// Element by element, with ONNX's broadcasting (LibTorch's is the same).

#include <limits>
#include <optional>

#include "ATen/ops/add.h"
#include "ATen/ops/clamp.h"
#include "ATen/ops/div.h"
#include "ATen/ops/leaky_relu.h"
#include "ATen/ops/mul.h"
#include "ATen/ops/relu.h"
#include "ATen/ops/sigmoid.h"
#include "ATen/ops/softmax.h"
#include "ATen/ops/sub.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {
namespace {

template <typename Function>
Step Unary(const NodeView& view, Function function) {
  const int input = view.Input(0), output = view.Output(0);
  return [=](Frame& frame) { frame.values[output] = function(frame.values[input]); };
}

template <typename Function>
Step Binary(const NodeView& view, Function function) {
  const int a = view.Input(0), b = view.Input(1), output = view.Output(0);
  return [=](Frame& frame) {
    frame.values[output] = function(frame.values[a], frame.values[b]);
  };
}

// One bound of Clip: from the attribute before opset 11, then from an input.
absl::StatusOr<std::optional<float>> Bound(const NodeView& view, absl::string_view attribute,
                                           int input) {
  if (view.HasInput(input)) {
    TY_ASSIGN_OR_RETURN(const std::vector<float> values, view.ConstantFloats(input));
    if (values.size() != 1) return view.Invalid(absl::StrCat(attribute, " must be one number"));
    return values[0];
  }
  const float infinity = std::numeric_limits<float>::infinity();
  const float value = graph::FloatAttribute(view.node(), attribute, infinity);
  if (value == infinity) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<Step> MapRelu(NodeView& view) {
  if (view.MayOverwrite(0)) {
    return Unary(view, [](at::Tensor& x) { return at::relu_(x); });
  }
  return Unary(view, [](const at::Tensor& x) { return at::relu(x); });
}

absl::StatusOr<Step> MapLeakyRelu(NodeView& view) {
  const float slope = graph::FloatAttribute(view.node(), "alpha", 0.01f);
  return Unary(view, [slope](const at::Tensor& x) { return at::leaky_relu(x, slope); });
}

absl::StatusOr<Step> MapClip(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const std::optional<float> low, Bound(view, "min", 1));
  TY_ASSIGN_OR_RETURN(const std::optional<float> high, Bound(view, "max", 2));
  if (!low && !high) return MapIdentity(view);
  const auto scalar = [](std::optional<float> bound) {
    return bound ? std::optional<at::Scalar>(*bound) : std::nullopt;
  };
  return Unary(view, [low = scalar(low), high = scalar(high)](const at::Tensor& x) {
    return at::clamp(x, low, high);
  });
}

absl::StatusOr<Step> MapSigmoid(NodeView& view) {
  return Unary(view, [](const at::Tensor& x) { return at::sigmoid(x); });
}

absl::StatusOr<Step> MapSoftmax(NodeView& view) {
  if (view.opset() >= 13) {
    const int64_t axis = graph::IntAttribute(view.node(), "axis", -1);
    return Unary(view, [axis](const at::Tensor& x) { return at::softmax(x, axis); });
  }
  // Before opset 13 everything from `axis` on is one dimension.
  const int64_t axis = graph::IntAttribute(view.node(), "axis", 1);
  return Unary(view, [axis](const at::Tensor& x) {
    const int64_t first = axis < 0 ? axis + x.dim() : axis;
    int64_t rows = 1;
    for (int64_t i = 0; i < first; ++i) rows *= x.size(i);
    return at::softmax(x.reshape({rows, -1}), 1).reshape(x.sizes());
  });
}

absl::StatusOr<Step> MapAdd(NodeView& view) {
  // The sum may take a's memory when the shapes agree, which only a run shows.
  const bool overwrite = view.MayOverwrite(0);
  return Binary(view, [overwrite](at::Tensor& a, const at::Tensor& b) {
    return overwrite && a.sizes() == b.sizes() ? a.add_(b) : at::add(a, b);
  });
}

absl::StatusOr<Step> MapSub(NodeView& view) {
  return Binary(view, [](const at::Tensor& a, const at::Tensor& b) { return at::sub(a, b); });
}

absl::StatusOr<Step> MapMul(NodeView& view) {
  return Binary(view, [](const at::Tensor& a, const at::Tensor& b) { return at::mul(a, b); });
}

absl::StatusOr<Step> MapDiv(NodeView& view) {
  return Binary(view, [](const at::Tensor& a, const at::Tensor& b) { return at::div(a, b); });
}

absl::StatusOr<Step> MapIdentity(NodeView& view) {
  return Unary(view, [](const at::Tensor& x) { return x; });
}

}  // namespace trainyard::training
