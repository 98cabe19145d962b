#pragma once

#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
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

/// What an optimizer keeps of a parameter from one step to the next.
struct Slot {
  /// Of the parameter.
  std::string name;
  /// `momentum`.
  std::string kind;
  /// Shaped like the parameter; shares the optimizer's memory.
  at::Tensor values;
};

/// Changes parameters by the gradients that a backward pass left in them. Not thread-safe.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step; clears the gradients. Returns the regularizer's part of the loss at the weights before
  /// the step. `rate` >= 0.
  virtual double Step(double rate) = 0;
  /// All that the next step depends on beside parameters and gradients, in the graph's order. A
  /// checkpoint keeps it; to resume, it is written into.
  virtual std::vector<Slot> Slots() = 0;
};

/// Stochastic gradient descent with momentum, as Keras does it. The regularizer's
/// gradient, weight * sign(k) or 2 * weight * k, is added inside the step, so it costs no pass of
/// autograd. Frozen parameters are left alone. On the CPU one pass over memory does it all, in fixed
/// pieces, so that results do not depend on the number of threads; on CUDA it is a few launches of
/// multi-tensor kernels.
class Sgd final : public Optimizer {
 public:
  /// The parameters' tensors are shared with the executor, which must outlive this.
  Sgd(const std::vector<Parameter>& parameters, const SgdOptions& options);

  double Step(double rate) override;
  /// `momentum` of each parameter that is not frozen.
  std::vector<Slot> Slots() override;

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
