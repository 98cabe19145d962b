#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "libs/networks/training_plan.h"
#include "libs/training/executor.h"
#include "libs/training/optimizer.h"

namespace trainyard::training::internal {

/// Most slots of a parameter.
inline constexpr size_t kMostSlots = 2;

/// Neighbouring elements of a parameter, its gradient and its slots.
struct Piece {
  float* weight;
  const float* gradient;
  std::array<float*, kMostSlots> slots;
  int64_t size;
  /// The regularizer's factors; at most one is not 0.
  float l1, l2;
  /// The parameter's share of the rate.
  double rate_scale;
};

/// All parameters that have a gradient and one share of the rate, with gradients and slots by kind.
struct TensorLists {
  double rate_scale = 1;
  std::vector<at::Tensor> weights, gradients;
  std::array<std::vector<at::Tensor>, kMostSlots> slots;
};

/// What all optimizers do alike: slots, the regularizer, the pass over memory. A class of it says
/// how one element changes.
class PiecewiseOptimizer : public Optimizer {
 public:
  double Step(double rate, int64_t step) final;
  std::vector<Slot> Slots() final;

 protected:
  /// `kinds`: at most kMostSlots.
  PiecewiseOptimizer(const networks::TrainingPlan& plan, const std::vector<Parameter>& parameters,
                     std::vector<std::string> kinds, bool multi_tensor);

 private:
  /// Before the step's updates. `rate` is without decay.
  virtual void Begin(double rate, int64_t step) = 0;
  /// Changes a piece (UpdatePiece, below); returns what that returns. Called by many threads.
  virtual double Update(const Piece& piece) const = 0;
  /// The same by multi-tensor kernels. The gradients have the regularizer's in them.
  virtual void Update(TensorLists& lists) const = 0;

  double StepInOnePass();
  double StepByMultiTensor();
  std::vector<Piece> Pieces(std::vector<at::Tensor>& gradients);
  void ClearGradients();
  at::Tensor Regularize(const std::vector<at::Tensor>& weights,
                        const std::vector<at::Tensor>& gradients) const;

  const networks::Regularizer regularizer_;
  const double regularizer_weight_;
  const bool multi_tensor_;
  const std::vector<std::string> kinds_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  /// By kind, then by parameter.
  std::array<std::vector<at::Tensor>, kMostSlots> slots_;
  std::vector<char> regularized_;
  std::vector<double> rate_scales_;
};

inline constexpr int64_t kLanes = 8;

template <networks::Regularizer kRegularizer, typename Rule>
double UpdatePieceWith(const Piece& piece, const Rule rule) {
  float* __restrict const weight = piece.weight;
  const float* __restrict const gradient = piece.gradient;
  float* __restrict const first = piece.slots[0];
  float* __restrict const second = piece.slots[1];
  const float l1 = piece.l1, l2 = piece.l2;
  const auto update = [&](int64_t i) -> float {
    const float k = weight[i];
    float slope = gradient[i];
    if constexpr (kRegularizer == networks::Regularizer::kL1) {
      const float sign = static_cast<float>((k > 0) - (k < 0));
      slope += l1 * sign;
    } else if constexpr (kRegularizer == networks::Regularizer::kL2) {
      slope += 2 * l2 * k;
    }
    if constexpr (Rule::kSlots == 1) {
      weight[i] = rule(k, slope, first[i]);
    } else {
      weight[i] = rule(k, slope, first[i], second[i]);
    }
    return kRegularizer == networks::Regularizer::kL1 ? std::abs(k) : k * k;
  };
  // Element i is added to sum i % 8: an order that no compiler changes, and that fills its vectors.
  double sums[kLanes] = {};
  const auto add = [&](int64_t lane, int64_t i) {
    const float penalty = update(i);
    if constexpr (kRegularizer != networks::Regularizer::kNone) sums[lane] += penalty;
  };
  int64_t i = 0;
  for (; i + kLanes <= piece.size; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) add(lane, i + lane);
  }
  for (; i < piece.size; ++i) add(i % kLanes, i);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

/// Changes the elements of a piece by a rule: `float rule(weight, slope, float& slot...)` changes
/// the Rule::kSlots slots of an element and returns its new weight. Returns the sum of |k| or k^2
/// before the step when the piece is regularized, else 0.
template <typename Rule>
double UpdatePiece(const Piece& piece, const Rule& rule) {
  if (piece.l1 != 0) return UpdatePieceWith<networks::Regularizer::kL1>(piece, rule);
  if (piece.l2 != 0) return UpdatePieceWith<networks::Regularizer::kL2>(piece, rule);
  return UpdatePieceWith<networks::Regularizer::kNone>(piece, rule);
}

/// Keras' decay of a rate.
inline double Decayed(double rate, double decay, int64_t step) {
  return rate / (1 + decay * static_cast<double>(step));
}

}  // namespace trainyard::training::internal
