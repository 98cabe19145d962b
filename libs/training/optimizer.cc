#include "libs/training/optimizer.h"

#include <variant>

#include "libs/training/optimizers/optimizers.h"

namespace trainyard::training {

std::unique_ptr<Optimizer> MakeOptimizer(const networks::TrainingPlan& plan,
                                         const std::vector<Parameter>& parameters,
                                         bool multi_tensor) {
  return std::visit(
      [&](const auto& one) { return internal::Make(one, plan, parameters, multi_tensor); },
      plan.optimizer);
}

}  // namespace trainyard::training
