#include "libs/training/optimizer.h"

#include <variant>

#include "libs/training/optimizers/optimizers.h"

namespace trainyard::training {

std::unique_ptr<Optimizer> MakeOptimizer(const TrainingPlan& plan,
                                         const std::vector<Parameter>& parameters,
                                         bool multi_tensor) {
  if (const auto* adam = std::get_if<AdamPlan>(&plan.optimizer)) {
    return internal::MakeAdam(*adam, plan, parameters, multi_tensor);
  }
  if (const auto* rmsprop = std::get_if<RmspropPlan>(&plan.optimizer)) {
    return internal::MakeRmsprop(*rmsprop, plan, parameters, multi_tensor);
  }
  return internal::MakeSgd(std::get<SgdPlan>(plan.optimizer), plan, parameters, multi_tensor);
}

}  // namespace trainyard::training
