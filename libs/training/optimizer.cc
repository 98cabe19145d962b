#include "libs/training/optimizer.h"

#include <algorithm>
#include <cmath>

#include "ATen/Parallel.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_foreach_mul.h"
#include "ATen/ops/_foreach_norm.h"
#include "ATen/ops/_foreach_sign.h"
#include "ATen/ops/stack.h"
#include "ATen/ops/zeros_like.h"

namespace trainyard::training {
namespace {

// Floats of one piece of work: large enough to hide the scheduling, small enough to spread.
constexpr int64_t kPiece = 1 << 15;

struct Piece {
  float* weight;
  const float* gradient;
  float* momentum;
  int64_t size;
  bool regularized;
};

struct Coefficients {
  float rate, momentum, l1, l2;
};

constexpr int64_t kLanes = 8;

// Element i is added to sum i % 8: an order that no compiler changes, and that fills its vectors.
template <bool kL1>
double UpdateRegularized(const Piece& piece, const Coefficients& c) {
  float* __restrict const weight = piece.weight;
  const float* __restrict const gradient = piece.gradient;
  float* __restrict const momentum = piece.momentum;
  const float rate = c.rate, keep = c.momentum, l1 = c.l1, l2 = c.l2;
  const auto update = [&](int64_t i) {
    const float k = weight[i];
    const float sign = static_cast<float>((k > 0) - (k < 0));
    const float slope = gradient[i] + (kL1 ? l1 * sign : 2 * l2 * k);
    momentum[i] = keep * momentum[i] - rate * slope;
    weight[i] = k + momentum[i];
    return kL1 ? std::abs(k) : k * k;
  };
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= piece.size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += update(i + lane);
  }
  for (; i < piece.size; ++i) sums[i % kLanes] += update(i);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

// One pass; returns the sum of |k| or k^2 before the step.
double Update(const Piece& piece, const Coefficients& c) {
  if (piece.regularized && c.l1 != 0) return UpdateRegularized<true>(piece, c);
  if (piece.regularized && c.l2 != 0) return UpdateRegularized<false>(piece, c);
  for (int64_t i = 0; i < piece.size; ++i) {
    piece.momentum[i] = c.momentum * piece.momentum[i] - c.rate * piece.gradient[i];
    piece.weight[i] += piece.momentum[i];
  }
  return 0;
}

// The gradient in the memory order of its parameter, so that one index serves both.
at::Tensor Aligned(const at::Tensor& gradient, const at::Tensor& parameter) {
  if (gradient.strides() == parameter.strides()) return gradient;
  at::Tensor aligned = at::zeros_like(parameter);
  aligned.copy_(gradient);
  return aligned;
}

}  // namespace

Sgd::Sgd(const std::vector<Parameter>& parameters, const SgdOptions& options) : options_(options) {
  for (const Parameter& parameter : parameters) {
    if (parameter.frozen) continue;
    names_.push_back(parameter.name);
    parameters_.push_back(parameter.value);
    momentum_.push_back(at::zeros_like(parameter.value.detach()));
    regularized_.push_back(parameter.regularized);
  }
}

double Sgd::Step(double rate) {
  const at::NoGradGuard no_gradients;
  const bool on_cpu = parameters_.empty() || parameters_.front().is_cpu();
  return on_cpu && !options_.multi_tensor ? StepInOnePass(rate) : StepByMultiTensor(rate);
}

double Sgd::StepInOnePass(double rate) {
  std::vector<at::Tensor> gradients;
  std::vector<Piece> pieces;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    if (!parameter.grad().defined()) continue;
    gradients.push_back(Aligned(parameter.grad(), parameter));
    float* weight = parameter.mutable_data_ptr<float>();
    const float* gradient = gradients.back().const_data_ptr<float>();
    float* momentum = momentum_[i].mutable_data_ptr<float>();
    for (int64_t begin = 0; begin < parameter.numel(); begin += kPiece) {
      pieces.push_back({.weight = weight + begin,
                        .gradient = gradient + begin,
                        .momentum = momentum + begin,
                        .size = std::min(kPiece, parameter.numel() - begin),
                        .regularized = regularized_[i] != 0});
    }
  }
  const double w = options_.regularizer_weight;
  const bool l1 = options_.regularizer == Regularizer::kL1;
  const bool l2 = options_.regularizer == Regularizer::kL2;
  const Coefficients coefficients{.rate = static_cast<float>(rate),
                                  .momentum = static_cast<float>(options_.momentum),
                                  .l1 = static_cast<float>(l1 ? w : 0),
                                  .l2 = static_cast<float>(l2 ? w : 0)};
  std::vector<double> sums(pieces.size(), 0);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = Update(pieces[i], coefficients);
  });
  for (at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
  double sum = 0;
  for (const double part : sums) sum += part;
  return w * sum;
}

double Sgd::StepByMultiTensor(double rate) {
  std::vector<at::Tensor> weights, gradients, momenta, regular_weights, regular_gradients;
  const double w = options_.regularizer_weight;
  const bool regularizes = options_.regularizer != Regularizer::kNone && w != 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    if (!parameter.grad().defined()) continue;
    weights.push_back(parameter);
    gradients.push_back(parameter.grad());
    momenta.push_back(momentum_[i]);
    parameter.mutable_grad().reset();
    if (!regularizes || regularized_[i] == 0) continue;
    regular_weights.push_back(weights.back());
    regular_gradients.push_back(gradients.back());
  }
  at::Tensor penalty;
  if (!regular_weights.empty()) {
    const bool l1 = options_.regularizer == Regularizer::kL1;
    const at::Tensor norms = at::stack(at::_foreach_norm(regular_weights, l1 ? 1 : 2));
    penalty = l1 ? norms.sum() : norms.square().sum();
    if (l1) {
      at::_foreach_add_(regular_gradients, at::_foreach_sign(regular_weights), w);
    } else {
      at::_foreach_add_(regular_gradients, regular_weights, 2 * w);
    }
  }
  if (!weights.empty()) {
    at::_foreach_mul_(momenta, options_.momentum);
    at::_foreach_add_(momenta, gradients, -rate);
    at::_foreach_add_(weights, momenta);
  }
  return penalty.defined() ? w * penalty.item<double>() : 0;
}

std::vector<Slot> Sgd::Slots() {
  std::vector<Slot> slots;
  for (size_t i = 0; i < names_.size(); ++i) {
    slots.push_back({.name = names_[i], .kind = "momentum", .values = momentum_[i]});
  }
  return slots;
}

}  // namespace trainyard::training
