#include <cmath>

#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_foreach_addcdiv.h"
#include "ATen/ops/_foreach_addcmul.h"
#include "ATen/ops/_foreach_mul.h"
#include "ATen/ops/_foreach_sqrt.h"
#include "libs/training/optimizers/optimizers.h"
#include "libs/training/optimizers/piecewise.h"

namespace trainyard::training::internal {
namespace {

struct Rule {
  static constexpr int kSlots = 2;
  float rate, beta1, beta2, rest1, rest2, epsilon;

  float operator()(float weight, float slope, float& first_moment, float& second_moment) const {
    first_moment = beta1 * first_moment + rest1 * slope;
    second_moment = beta2 * second_moment + rest2 * (slope * slope);
    return weight - rate * first_moment / (std::sqrt(second_moment) + epsilon);
  }
};

class Adam final : public PiecewiseOptimizer {
 public:
  Adam(const networks::AdamPlan& adam, const networks::TrainingPlan& plan,
       const std::vector<Parameter>& parameters, bool multi_tensor)
      : PiecewiseOptimizer(plan, parameters, {"first_moment", "second_moment"}, multi_tensor),
        adam_(adam) {}

 private:
  // Moments begin at 0: the correction undoes what that takes from them.
  void Begin(double rate, int64_t step) override {
    const auto t = static_cast<double>(step + 1);
    const double correction =
        std::sqrt(1 - std::pow(adam_.beta2, t)) / (1 - std::pow(adam_.beta1, t));
    rate_ = Decayed(rate, adam_.decay, step) * correction;
  }

  double Update(const Piece& piece) const override {
    return UpdatePiece(piece, Rule{.rate = static_cast<float>(rate_ * piece.rate_scale),
                                   .beta1 = static_cast<float>(adam_.beta1),
                                   .beta2 = static_cast<float>(adam_.beta2),
                                   .rest1 = static_cast<float>(1 - adam_.beta1),
                                   .rest2 = static_cast<float>(1 - adam_.beta2),
                                   .epsilon = static_cast<float>(adam_.epsilon)});
  }

  void Update(TensorLists& lists) const override {
    std::vector<at::Tensor>& first = lists.slots[0];
    std::vector<at::Tensor>& second = lists.slots[1];
    at::_foreach_mul_(first, adam_.beta1);
    at::_foreach_add_(first, lists.gradients, 1 - adam_.beta1);
    at::_foreach_mul_(second, adam_.beta2);
    at::_foreach_addcmul_(second, lists.gradients, lists.gradients, 1 - adam_.beta2);
    const std::vector<at::Tensor> roots = at::_foreach_sqrt(second);
    at::_foreach_add_(roots, adam_.epsilon);
    at::_foreach_addcdiv_(lists.weights, first, roots, -rate_ * lists.rate_scale);
  }

  const networks::AdamPlan adam_;
  double rate_ = 0;
};

}  // namespace

std::unique_ptr<Optimizer> Make(const networks::AdamPlan& adam, const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor) {
  return std::make_unique<Adam>(adam, plan, parameters, multi_tensor);
}

}  // namespace trainyard::training::internal
