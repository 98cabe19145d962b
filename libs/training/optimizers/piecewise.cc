#include "libs/training/optimizers/piecewise.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ATen/Parallel.h"
#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_foreach_norm.h"
#include "ATen/ops/_foreach_sign.h"
#include "ATen/ops/stack.h"
#include "ATen/ops/zeros_like.h"

namespace trainyard::training::internal {
namespace {

// Floats of one piece of work: large enough to hide the scheduling, small enough to spread.
constexpr int64_t kPieceSize = 1 << 15;

// The gradient in the memory order of its parameter, so that one index serves both.
at::Tensor Aligned(const at::Tensor& gradient, const at::Tensor& parameter) {
  if (gradient.strides() == parameter.strides()) return gradient;
  at::Tensor aligned = at::zeros_like(parameter);
  aligned.copy_(gradient);
  return aligned;
}

// Whether an initializer is of one of the layers: "<layer>/kernel".
bool IsOfLayers(const std::string& initializer, const std::vector<std::string>& layers) {
  const std::string layer = initializer.substr(0, initializer.rfind('/'));
  return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

}  // namespace

PiecewiseOptimizer::PiecewiseOptimizer(const networks::TrainingPlan& plan,
                                       const std::vector<Parameter>& parameters,
                                       std::vector<std::string> kinds, bool multi_tensor)
    : regularizer_(plan.regularizer),
      regularizer_weight_(plan.regularizer_weight),
      multi_tensor_(multi_tensor),
      kinds_(std::move(kinds)) {
  for (const Parameter& parameter : parameters) {
    if (parameter.frozen) continue;
    rate_scales_.push_back(IsOfLayers(parameter.name, plan.head_layers) ? 1
                                                                        : plan.backbone_rate_scale);
    names_.push_back(parameter.name);
    parameters_.push_back(parameter.value);
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      slots_[kind].push_back(at::zeros_like(parameter.value.detach()));
    }
    regularized_.push_back(parameter.regularized);
  }
}

double PiecewiseOptimizer::Step(double rate, int64_t step) {
  const at::NoGradGuard no_gradients;
  Begin(rate, step);
  const bool on_cpu = parameters_.empty() || parameters_.front().is_cpu();
  return on_cpu && !multi_tensor_ ? StepInOnePass() : StepByMultiTensor();
}

double PiecewiseOptimizer::StepInOnePass() {
  std::vector<at::Tensor> gradients;
  const std::vector<Piece> pieces = Pieces(gradients);
  std::vector<double> sums(pieces.size(), 0);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = Update(pieces[i]);
  });
  ClearGradients();
  double sum = 0;
  for (const double part : sums) sum += part;
  return regularizer_weight_ * sum;
}

// `gradients` receives what the pieces point into.
std::vector<Piece> PiecewiseOptimizer::Pieces(std::vector<at::Tensor>& gradients) {
  const auto factor = [this](networks::Regularizer regularizer) {
    return static_cast<float>(regularizer_ == regularizer ? regularizer_weight_ : 0);
  };
  std::vector<Piece> pieces;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    if (!parameter.grad().defined()) continue;
    gradients.push_back(Aligned(parameter.grad(), parameter));
    Piece whole{.weight = parameter.mutable_data_ptr<float>(),
                .gradient = gradients.back().const_data_ptr<float>(),
                .slots = {},
                .size = 0,
                .l1 = regularized_[i] != 0 ? factor(networks::Regularizer::kL1) : 0,
                .l2 = regularized_[i] != 0 ? factor(networks::Regularizer::kL2) : 0,
                .rate_scale = rate_scales_[i]};
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      whole.slots[kind] = slots_[kind][i].mutable_data_ptr<float>();
    }
    for (int64_t begin = 0; begin < parameter.numel(); begin += kPieceSize) {
      Piece piece = whole;
      piece.weight += begin;
      piece.gradient += begin;
      for (size_t kind = 0; kind < kinds_.size(); ++kind) piece.slots[kind] += begin;
      piece.size = std::min(kPieceSize, parameter.numel() - begin);
      pieces.push_back(piece);
    }
  }
  return pieces;
}

void PiecewiseOptimizer::ClearGradients() {
  for (at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

double PiecewiseOptimizer::StepByMultiTensor() {
  std::map<double, TensorLists> by_scale;
  std::vector<at::Tensor> regular_weights, regular_gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i].grad().defined()) continue;
    TensorLists& lists = by_scale[rate_scales_[i]];
    lists.weights.push_back(parameters_[i]);
    lists.gradients.push_back(parameters_[i].grad());
    for (size_t kind = 0; kind < kinds_.size(); ++kind) {
      lists.slots[kind].push_back(slots_[kind][i]);
    }
    if (regularized_[i] == 0) continue;
    regular_weights.push_back(lists.weights.back());
    regular_gradients.push_back(lists.gradients.back());
  }
  ClearGradients();
  const at::Tensor penalty = Regularize(regular_weights, regular_gradients);
  for (auto& [scale, lists] : by_scale) {
    lists.rate_scale = scale;
    Update(lists);
  }
  return penalty.defined() ? regularizer_weight_ * penalty.item<double>() : 0;
}

// Adds the regularizer's gradient; returns the sum of |k| or k^2, undefined when nothing is
// regularized.
at::Tensor PiecewiseOptimizer::Regularize(const std::vector<at::Tensor>& weights,
                                          const std::vector<at::Tensor>& gradients) const {
  const double w = regularizer_weight_;
  if (regularizer_ == networks::Regularizer::kNone || w == 0 || weights.empty()) return {};
  const bool l1 = regularizer_ == networks::Regularizer::kL1;
  const at::Tensor norms = at::stack(at::_foreach_norm(weights, l1 ? 1 : 2));
  if (l1) {
    at::_foreach_add_(gradients, at::_foreach_sign(weights), w);
    return norms.sum();
  }
  at::_foreach_add_(gradients, weights, 2 * w);
  return norms.square().sum();
}

std::vector<Slot> PiecewiseOptimizer::Slots() {
  std::vector<Slot> slots;
  for (size_t kind = 0; kind < kinds_.size(); ++kind) {
    for (size_t i = 0; i < names_.size(); ++i) {
      slots.push_back({.name = names_[i], .kind = kinds_[kind], .values = slots_[kind][i]});
    }
  }
  return slots;
}

}  // namespace trainyard::training::internal
