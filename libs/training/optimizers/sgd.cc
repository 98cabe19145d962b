#include "ATen/ops/_foreach_add.h"
#include "ATen/ops/_foreach_mul.h"
#include "libs/training/optimizers/optimizers.h"
#include "libs/training/optimizers/piecewise.h"

namespace trainyard::training::internal {
namespace {

struct Plain {
  static constexpr int kSlots = 1;
  float rate, keep;

  float operator()(float weight, float slope, float& momentum) const {
    momentum = keep * momentum - rate * slope;
    return weight + momentum;
  }
};

struct Nesterov {
  static constexpr int kSlots = 1;
  float rate, keep;

  float operator()(float weight, float slope, float& momentum) const {
    momentum = keep * momentum - rate * slope;
    return weight + (keep * momentum - rate * slope);
  }
};

class Sgd final : public PiecewiseOptimizer {
 public:
  Sgd(const networks::SgdPlan& sgd, const networks::TrainingPlan& plan,
      const std::vector<Parameter>& parameters, bool multi_tensor)
      : PiecewiseOptimizer(plan, parameters, {"momentum"}, multi_tensor), sgd_(sgd) {}

 private:
  void Begin(double rate, int64_t step) override { rate_ = Decayed(rate, sgd_.decay, step); }

  double Update(const Piece& piece) const override {
    const auto rate = static_cast<float>(rate_ * piece.rate_scale);
    const auto keep = static_cast<float>(sgd_.momentum);
    return sgd_.nesterov ? UpdatePiece(piece, Nesterov{.rate = rate, .keep = keep})
                         : UpdatePiece(piece, Plain{.rate = rate, .keep = keep});
  }

  void Update(TensorLists& lists) const override {
    std::vector<at::Tensor>& momenta = lists.slots[0];
    const double rate = rate_ * lists.rate_scale;
    at::_foreach_mul_(momenta, sgd_.momentum);
    at::_foreach_add_(momenta, lists.gradients, -rate);
    if (!sgd_.nesterov) return at::_foreach_add_(lists.weights, momenta);
    at::_foreach_add_(lists.weights, momenta, sgd_.momentum);
    at::_foreach_add_(lists.weights, lists.gradients, -rate);
  }

  const networks::SgdPlan sgd_;
  double rate_ = 0;
};

}  // namespace

std::unique_ptr<Optimizer> Make(const networks::SgdPlan& sgd, const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor) {
  return std::make_unique<Sgd>(sgd, plan, parameters, multi_tensor);
}

}  // namespace trainyard::training::internal
