#pragma once

#include <memory>
#include <vector>

#include "libs/networks/training_plan.h"
#include "libs/training/executor.h"
#include "libs/training/optimizer.h"

// One overload an optimizer, for MakeOptimizer; the formulas are there. The plan's own optimizer is
// not looked at.
namespace trainyard::training::internal {

std::unique_ptr<Optimizer> Make(const networks::SgdPlan& sgd, const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor);
std::unique_ptr<Optimizer> Make(const networks::AdamPlan& adam, const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor);
std::unique_ptr<Optimizer> Make(const networks::RmspropPlan& rmsprop,
                                const networks::TrainingPlan& plan,
                                const std::vector<Parameter>& parameters, bool multi_tensor);

}  // namespace trainyard::training::internal
