// Operators whose behaviour depends on the mode.

#include "ATen/TensorOperators.h"
#include "ATen/ops/batch_norm.h"
#include "ATen/ops/dropout.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"

namespace trainyard::training {

absl::StatusOr<Step> MapBatchNormalization(NodeView& view) {
  if (view.node().output_size() > 1 && !view.node().output(1).empty()) {
    return view.Unimplemented("graphs are in inference form; statistics cannot be outputs");
  }
  const double epsilon = graph::FloatAttribute(view.node(), "epsilon", 1e-5f);
  // LibTorch's momentum is the weight of the new batch, ONNX's that of the old value.
  const double momentum = 1.0 - graph::FloatAttribute(view.node(), "momentum", 0.9f);
  const bool frozen = view.BatchNormIsFrozen();
  const int input = view.Input(0), output = view.Output(0);
  const int gamma = view.Weight(1), beta = view.Weight(2);
  TY_ASSIGN_OR_RETURN(const int mean, view.Statistic(3));
  TY_ASSIGN_OR_RETURN(const int variance, view.Statistic(4));
  return Step([=](Frame& frame) {
    std::vector<at::Tensor>& v = frame.values;
    const bool moves = frame.training && !frozen;
    // One value has no unbiased variance: LibTorch would store NaN, TensorFlow takes 0.
    const bool single = moves && v[input].numel() == v[input].size(1);
    const at::Tensor moved = single ? v[variance] * (1.0 - momentum) : at::Tensor();
    v[output] = at::batch_norm(v[input], v[gamma], v[beta], v[mean], v[variance], moves, momentum,
                               epsilon, /*cudnn_enabled=*/true);
    // Past autograd's bookkeeping: the gradient of a training batch does not read the statistics.
    if (single) v[variance].variable_data().copy_(moved);
  });
}

absl::StatusOr<Step> MapDropout(NodeView& view) {
  if (view.node().output_size() > 1 && !view.node().output(1).empty()) {
    return view.Unimplemented("the mask cannot be an output");
  }
  float ratio = graph::FloatAttribute(view.node(), "ratio", 0.5f);
  if (view.HasInput(1)) {
    TY_ASSIGN_OR_RETURN(const std::vector<float> ratios, view.ConstantFloats(1));
    if (ratios.size() != 1) return view.Invalid("ratio must be one number");
    ratio = ratios[0];
  }
  if (!(ratio >= 0.0f && ratio < 1.0f)) {
    return view.Invalid(absl::StrCat("ratio is ", ratio, "; expected [0, 1)"));
  }
  const int input = view.Input(0), output = view.Output(0);
  return Step([=](Frame& frame) {
    frame.values[output] = at::dropout(frame.values[input], ratio, frame.training);
  });
}

}  // namespace trainyard::training
