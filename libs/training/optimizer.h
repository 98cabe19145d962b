#pragma once

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/networks/network.h"
#include "libs/training/executor.h"

namespace trainyard::training {

struct SgdOptions {
  /// v <- momentum * v - rate * g; weight <- weight + v. [0, 1).
  double momentum = 0.9;
  Regularizer regularizer = Regularizer::kNone;
  /// L1 adds weight * sum |k| to the loss, L2 weight * sum k^2 (no half), over regularized parameters.
  double regularizer_weight = 0;
  /// LibTorch's multi-tensor kernels instead of our one pass: always so on CUDA; on the CPU for tests.
  bool multi_tensor = false;
};

/// Stochastic gradient descent with momentum, as Keras does it. The regularizer's
/// gradient, weight * sign(k) or 2 * weight * k, is added inside the step, so it costs no pass of
/// autograd. Frozen parameters are left alone. On the CPU one pass over memory does it all, in fixed
/// pieces, so that results do not depend on the number of threads; on CUDA it is a few launches of
/// multi-tensor kernels. Not thread-safe.
class Sgd {
 public:
  /// The parameters' tensors are shared with the executor, which must outlive this.
  Sgd(const std::vector<Parameter>& parameters, const SgdOptions& options);

  /// One step with the gradients that the last backward left; clears them. Returns the regularizer's
  /// part of the loss at the weights before the step. `rate` >= 0.
  double Step(double rate);

  /// The momentum buffers in the order of names(), shaped like their parameters.
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<at::Tensor>& momentum() const { return momentum_; }
  /// Replaces one buffer. kNotFound for a name that has none; kInvalidArgument for another shape.
  absl::Status SetMomentum(const std::string& name, const at::Tensor& value);

 private:
  double StepInOnePass(double rate);
  double StepByMultiTensor(double rate);

  SgdOptions options_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> momentum_;
  std::vector<char> regularized_;
};

}  // namespace trainyard::training
