// Convolutions and matrix products.

#include "ATen/TensorOperators.h"
#include "ATen/ops/constant_pad_nd.h"
#include "ATen/ops/conv2d.h"
#include "ATen/ops/linear.h"
#include "ATen/ops/matmul.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {

namespace {

// oneDNN 3.10's AVX-512 kernel for the kernel's gradient of a strided 1x1 convolution gathers the input in
// scratch memory and writes beyond its end when there are fewer channels than this: pruned networks
// have such. The rows and columns that the convolution reads are taken out before it instead.
constexpr int64_t kFewestGatheredChannels = 16;

}  // namespace

absl::StatusOr<Step> MapConv(NodeView& view) {
  TY_ASSIGN_OR_RETURN(const Window window, ReadWindow(view));
  const int64_t groups = graph::IntAttribute(view.node(), "group", 1);
  if (groups < 1) return view.Invalid("group must be at least 1");
  const int input = view.Input(0), weight = view.Weight(1), output = view.Output(0);
  const int bias = view.HasInput(2) ? view.Weight(2) : -1;
  return Step([=](Frame& frame) {
    at::Tensor x = frame.values[input];
    const at::Tensor& w = frame.values[weight];
    const at::Tensor b = bias < 0 ? at::Tensor() : frame.values[bias];
    const Pads pads = window.PadsFor(x.size(2), x.size(3), w.size(2), w.size(3));
    std::vector<int64_t> symmetric = {pads.top, pads.left};
    if (!pads.symmetric()) {
      x = at::constant_pad_nd(x, {pads.left, pads.right, pads.top, pads.bottom}, 0);
      symmetric = {0, 0};
    }
    std::vector<int64_t> strides = window.strides;
    const bool strided = strides[0] > 1 || strides[1] > 1;
    if (strided && x.is_cpu() && w.size(2) == 1 && w.size(3) == 1 &&
        w.size(1) < kFewestGatheredChannels) {
      x = at::constant_pad_nd(x, {symmetric[1], symmetric[1], symmetric[0], symmetric[0]}, 0);
      x = x.slice(2, 0, x.size(2), strides[0]).slice(3, 0, x.size(3), strides[1]);
      symmetric = {0, 0};
      strides = {1, 1};
    }
    frame.values[output] = at::conv2d(x, w, b, strides, symmetric, window.dilations, groups);
  });
}

absl::StatusOr<Step> MapGemm(NodeView& view) {
  const float alpha = graph::FloatAttribute(view.node(), "alpha", 1.0f);
  const float beta = graph::FloatAttribute(view.node(), "beta", 1.0f);
  const bool trans_a = graph::IntAttribute(view.node(), "transA", 0) != 0;
  const bool trans_b = graph::IntAttribute(view.node(), "transB", 0) != 0;
  const int a = view.Input(0), b = view.Weight(1), output = view.Output(0);
  const int c = view.HasInput(2) ? view.Weight(2) : -1;
  return Step([=](Frame& frame) {
    const at::Tensor left = trans_a ? frame.values[a].t() : frame.values[a];
    const at::Tensor right = trans_b ? frame.values[b].t() : frame.values[b];
    at::Tensor product = at::matmul(left, right);
    if (alpha != 1.0f) product = product * alpha;
    if (c >= 0) product = product + (beta == 1.0f ? frame.values[c] : frame.values[c] * beta);
    frame.values[output] = product;
  });
}

absl::StatusOr<Step> MapMatMul(NodeView& view) {
  const int a = view.Weight(0), b = view.Weight(1), output = view.Output(0);
  return Step([=](Frame& frame) {
    frame.values[output] = at::matmul(frame.values[a], frame.values[b]);
  });
}

}  // namespace trainyard::training
