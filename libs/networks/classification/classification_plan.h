#pragma once

#include "libs/networks/training_plan.h"
#include "trainyard/spec/classification/v1/experiment.pb.h"

namespace trainyard::networks {

/// What the training of a checked train_config with its defaults does. Every epoch is judged and
/// kept, as in TAO.
TrainingPlan TrainingPlanOf(const spec::classification::v1::TrainConfig& config);

}  // namespace trainyard::networks
