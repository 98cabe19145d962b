// Where elements lie; no arithmetic.

#include <algorithm>

#include "ATen/ops/cat.h"
#include "ATen/ops/pad.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {
namespace {

// Axes of Squeeze and Unsqueeze: an attribute before opset 13, then an input. Empty when not given.
absl::StatusOr<std::vector<int64_t>> Axes(const NodeView& view) {
  if (view.HasInput(1)) return view.ConstantInts(1);
  return graph::IntsAttribute(view.node(), "axes", {});
}

// Our rows of (dimension, before, after) in LibTorch's order: the last dimension first.
std::vector<int64_t> TorchPads(const std::vector<int64_t>& pads) {
  const size_t rank = pads.size() / 2;
  std::vector<int64_t> torch_pads;
  for (size_t i = rank; i-- > 0;) {
    torch_pads.push_back(pads[i]);
    torch_pads.push_back(pads[i + rank]);
  }
  return torch_pads;
}

}  // namespace

absl::StatusOr<Step> MapTranspose(NodeView& view) {
  const std::vector<int64_t> permutation = graph::IntsAttribute(view.node(), "perm", {});
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    const at::Tensor& x = frame.values[input];
    std::vector<int64_t> order = permutation;
    if (order.empty()) {
      for (int64_t i = x.dim(); i-- > 0;) order.push_back(i);
    }
    frame.values[output] = x.permute(order);
  });
}

absl::StatusOr<Step> MapReshape(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const std::vector<int64_t> shape, view.ConstantInts(1));
  const bool zero_is_zero = graph::IntAttribute(view.node(), "allowzero", 0) != 0;
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    const at::Tensor& x = frame.values[input];
    std::vector<int64_t> sizes = shape;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0 && !zero_is_zero) sizes[i] = x.size(static_cast<int64_t>(i));
    }
    frame.values[output] = x.reshape(sizes);
  });
}

absl::StatusOr<Step> MapConcat(NodeView& view) {
  const int64_t axis = graph::IntAttribute(view.node(), "axis", 0);
  std::vector<int> inputs;
  for (int i = 0; i < view.node().input_size(); ++i) inputs.push_back(view.Input(i));
  const int output = view.Output(0);
  return Step([=](Frame& frame) {
    std::vector<at::Tensor> parts;
    parts.reserve(inputs.size());
    for (const int input : inputs) parts.push_back(frame.values[input]);
    frame.values[output] = at::cat(parts, axis);
  });
}

absl::StatusOr<Step> MapFlatten(NodeView& view) {
  const int64_t axis = graph::IntAttribute(view.node(), "axis", 1);
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    const at::Tensor& x = frame.values[input];
    const int64_t first = axis < 0 ? axis + x.dim() : axis;
    int64_t rows = 1;
    for (int64_t i = 0; i < first; ++i) rows *= x.size(i);
    frame.values[output] = x.reshape({rows, rows == 0 ? 0 : x.numel() / rows});
  });
}

absl::StatusOr<Step> MapSqueeze(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, Axes(view));
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    const at::Tensor& x = frame.values[input];
    frame.values[output] = axes.empty() ? x.squeeze() : x.squeeze(axes);
  });
}

absl::StatusOr<Step> MapUnsqueeze(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const std::vector<int64_t> axes, Axes(view));
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    at::Tensor x = frame.values[input];
    const int64_t rank = x.dim() + static_cast<int64_t>(axes.size());
    std::vector<int64_t> ordered = axes;
    for (int64_t& axis : ordered) axis = axis < 0 ? axis + rank : axis;
    std::sort(ordered.begin(), ordered.end());
    for (const int64_t axis : ordered) x = x.unsqueeze(axis);
    frame.values[output] = x;
  });
}

absl::StatusOr<Step> MapPad(NodeView& view) {
  std::string mode = graph::StringAttribute(view.node(), "mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge") {
    return view.Unimplemented(absl::StrCat("mode '", mode, "'"));
  }
  if (mode == "edge") mode = "replicate";
  TY_ASSIGN_OR_RETURN(const std::vector<int64_t> pads, view.ConstantInts(1));
  if (pads.size() % 2 != 0) return view.Invalid("pads must hold two numbers for each dimension");
  double value = 0;
  if (view.HasInput(2)) {
    TY_ASSIGN_OR_RETURN(const std::vector<float> values, view.ConstantFloats(2));
    if (values.size() != 1) return view.Invalid("constant_value must be one number");
    value = values[0];
  }
  std::vector<int64_t> torch_pads = TorchPads(pads);
  if (mode != "constant") {
    // LibTorch reflects and replicates the last dimensions only; leading ones must not be padded.
    while (torch_pads.size() > 4 && torch_pads.back() == 0 && *(torch_pads.end() - 2) == 0) {
      torch_pads.resize(torch_pads.size() - 2);
    }
  }
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    frame.values[output] =
        mode == "constant" ? at::pad(frame.values[input], torch_pads, mode, value)
                           : at::pad(frame.values[input], torch_pads, mode);
  });
}

}  // namespace trainyard::training
