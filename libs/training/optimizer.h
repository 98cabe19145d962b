#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "libs/networks/training_plan.h"
#include "libs/training/executor.h"

namespace trainyard::training {

/// What an optimizer keeps of a parameter from one step to the next.
struct Slot {
  /// Of the parameter.
  std::string name;
  /// `momentum`, `first_moment`, `second_moment`.
  std::string kind;
  /// Shaped like the parameter; shares the optimizer's memory.
  at::Tensor values;
};

/// Changes parameters by the gradients that a backward pass left in them. Not thread-safe.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// One step; clears the gradients. Returns the regularizer's part of the loss at the weights
  /// before the step. `rate` >= 0. `step` counts the steps done before this one: decay and the
  /// correction of moments depend on it. It is the caller's, who keeps it in the training's state.
  virtual double Step(double rate, int64_t step) = 0;
  /// All that the next step depends on beside parameters, gradients and `step`: by kind, each in
  /// the graph's order. A checkpoint keeps it; to resume, it is written into.
  virtual std::vector<Slot> Slots() = 0;
};

/// The plan's optimizer, with its regularizer, whose gradient, weight * sign(k) or 2 * weight * k,
/// is added to g inside the step, so that it costs no pass of autograd. All slots begin at 0. With
/// rate' = rate / (1 + decay * step):
///
///     SGD      momentum <- p = mu * momentum - rate' * g
///              w <- w + p; Nesterov: w <- w + mu * p - rate' * g
///     Adam     first_moment <- m = beta1 * m + (1 - beta1) * g
///              second_moment <- v = beta2 * v + (1 - beta2) * g^2
///              c = sqrt(1 - beta2^t) / (1 - beta1^t) with t = step + 1
///              w <- w - rate' * c * m / (sqrt(v) + epsilon)
///     RMSprop  second_moment <- v = rho * v + (1 - rho) * g^2
///              s = rate' * g / (sqrt(v) + epsilon)
///              w <- w - s; with momentum: momentum <- p = mu * momentum - s; w <- w + p
///
/// PyTorch's Adam adds epsilon to the corrected root sqrt(v / (1 - beta2^t)) instead: the two agree
/// where epsilon is small beside it. At a constant rate its SGD and RMSprop are the same as these.
///
/// The backbone's rate is plan.backbone_rate_scale times `rate`. Frozen parameters are left alone, and so
/// is one without a gradient, for that step. On the CPU
/// one pass over memory does it all, in fixed pieces, so that results do not depend on the number
/// of threads; on CUDA, and with `multi_tensor` (for tests), a few launches of multi-tensor
/// kernels.
///
/// The parameters' tensors are shared with the executor, which must outlive the optimizer.
///
/// Source: keras.optimizers of Keras 2, which TAO trains with.
std::unique_ptr<Optimizer> MakeOptimizer(const networks::TrainingPlan& plan,
                                         const std::vector<Parameter>& parameters,
                                         bool multi_tensor = false);

}  // namespace trainyard::training
