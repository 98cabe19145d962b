#include <cmath>
#include <string>

#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_foreach_addcdiv.h"
#include "ATen/ops/_foreach_addcmul.h"
#include "ATen/ops/_foreach_mul.h"
#include "ATen/ops/_foreach_sqrt.h"
#include "libs/training/optimizers/optimizers.h"
#include "libs/training/optimizers/piecewise.h"

namespace trainyard::training::internal {
namespace {

struct Plain {
  static constexpr int kSlots = 1;
  float rate, rho, rest, epsilon;

  // What the step takes from the weight.
  float Change(float slope, float& second_moment) const {
    second_moment = rho * second_moment + rest * (slope * slope);
    return rate * slope / (std::sqrt(second_moment) + epsilon);
  }
  float operator()(float weight, float slope, float& second_moment) const {
    return weight - Change(slope, second_moment);
  }
};

struct WithMomentum {
  static constexpr int kSlots = 2;
  Plain plain;
  float keep;

  float operator()(float weight, float slope, float& second_moment, float& momentum) const {
    momentum = keep * momentum - plain.Change(slope, second_moment);
    return weight + momentum;
  }
};

std::vector<std::string> KindsOf(const networks::RmspropPlan& rmsprop) {
  if (rmsprop.momentum == 0) return {"second_moment"};
  return {"second_moment", "momentum"};
}

class Rmsprop final : public PiecewiseOptimizer {
 public:
  Rmsprop(const networks::RmspropPlan& rmsprop, const networks::TrainingPlan& plan,
          const std::vector<Parameter>& parameters, bool multi_tensor)
      : PiecewiseOptimizer(plan, parameters, KindsOf(rmsprop), multi_tensor), rmsprop_(rmsprop) {}

 private:
  void Begin(double rate, int64_t step) override { rate_ = Decayed(rate, rmsprop_.decay, step); }

  double Update(const Piece& piece) const override {
    const Plain plain{.rate = static_cast<float>(rate_ * piece.rate_scale),
                      .rho = static_cast<float>(rmsprop_.rho),
                      .rest = static_cast<float>(1 - rmsprop_.rho),
                      .epsilon = static_cast<float>(rmsprop_.epsilon)};
    if (rmsprop_.momentum == 0) return UpdatePiece(piece, plain);
    return UpdatePiece(piece,
                       WithMomentum{.plain = plain, .keep = static_cast<float>(rmsprop_.momentum)});
  }

  void Update(TensorLists& lists) const override {
    std::vector<at::Tensor>& second = lists.slots[0];
    std::vector<at::Tensor>& momenta = lists.slots[1];
    at::_foreach_mul_(second, rmsprop_.rho);
    at::_foreach_addcmul_(second, lists.gradients, lists.gradients, 1 - rmsprop_.rho);
    const std::vector<at::Tensor> roots = at::_foreach_sqrt(second);
    at::_foreach_add_(roots, rmsprop_.epsilon);
    if (rmsprop_.momentum == 0) {
      return at::_foreach_addcdiv_(lists.weights, lists.gradients, roots, -rate_ * lists.rate_scale);
    }
    at::_foreach_mul_(momenta, rmsprop_.momentum);
    at::_foreach_addcdiv_(momenta, lists.gradients, roots, -rate_ * lists.rate_scale);
    at::_foreach_add_(lists.weights, momenta);
  }

  const networks::RmspropPlan rmsprop_;
  double rate_ = 0;
};

}  // namespace

std::unique_ptr<Optimizer> Make(const networks::RmspropPlan& rmsprop,
                                const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor) {
  return std::make_unique<Rmsprop>(rmsprop, plan, parameters, multi_tensor);
}

}  // namespace trainyard::training::internal
