// Pooling over windows and over whole images.

#include <limits>

#include "ATen/ops/avg_pool2d.h"
#include "ATen/ops/constant_pad_nd.h"
#include "ATen/ops/max_pool2d.h"
#include "ATen/ops/mean.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {
namespace {

// What LibTorch cannot do by itself is padded before, with `filler`.
at::Tensor PadBefore(const at::Tensor& x, const Pads& pads, double filler) {
  return at::constant_pad_nd(x, {pads.left, pads.right, pads.top, pads.bottom}, filler);
}

// LibTorch pads a pool by half its kernel at most.
bool PoolPadsItself(const Pads& pads, const std::vector<int64_t>& kernel) {
  return pads.symmetric() && pads.top * 2 <= kernel[0] && pads.left * 2 <= kernel[1];
}

absl::StatusOr<Window> ReadPool(const NodeView& view) {
  TY_ASSIGN_OR_RETURN(Window window, ReadWindow(view));
  if (window.kernel.empty()) return view.Invalid("kernel_shape is missing");
  if (graph::IntAttribute(view.node(), "ceil_mode", 0) != 0)
    return view.Unimplemented("ceil_mode 1");
  return window;
}

}  // namespace

absl::StatusOr<Step> MapMaxPool(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const Window window, ReadPool(view));
  if (view.node().output_size() > 1 && !view.node().output(1).empty()) {
    return view.Unimplemented("indices cannot be an output");
  }
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    at::Tensor x = frame.values[input];
    Pads pads = window.PadsFor(x.size(2), x.size(3), window.kernel[0], window.kernel[1]);
    if (!PoolPadsItself(pads, window.kernel)) {
      x = PadBefore(x, pads, -std::numeric_limits<double>::infinity());
      pads = {};
    }
    frame.values[output] = at::max_pool2d(x, window.kernel, window.strides, {pads.top, pads.left},
                                          window.dilations);
  });
}

absl::StatusOr<Step> MapAveragePool(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const Window window, ReadPool(view));
  const bool count_pads = graph::IntAttribute(view.node(), "count_include_pad", 0) != 0;
  if (!count_pads && (window.same != 0 || !PoolPadsItself(window.pads, window.kernel))) {
    return view.Unimplemented("uneven pads that are not counted");
  }
  if (window.dilations != std::vector<int64_t>{1, 1}) return view.Unimplemented("dilations");
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    at::Tensor x = frame.values[input];
    Pads pads = window.PadsFor(x.size(2), x.size(3), window.kernel[0], window.kernel[1]);
    if (!PoolPadsItself(pads, window.kernel)) {
      x = PadBefore(x, pads, 0);
      pads = {};
    }
    frame.values[output] = at::avg_pool2d(x, window.kernel, window.strides, {pads.top, pads.left},
                                          /*ceil_mode=*/false, count_pads);
  });
}

absl::StatusOr<Step> MapGlobalAveragePool(NodeView& view) {
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    const at::Tensor& x = frame.values[input];
    std::vector<int64_t> spatial;
    for (int64_t i = 2; i < x.dim(); ++i) spatial.push_back(i);
    frame.values[output] = at::mean(x, spatial, /*keepdim=*/true);
  });
}

}  // namespace trainyard::training
