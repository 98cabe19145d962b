#pragma once

#include "libs/spec/field_check.h"
#include "trainyard/spec/common/v1/training.pb.h"

// What every network of TAO says of its training in the same message, judged once.
namespace trainyard::spec::internal {

/// What the rest of a spec offers to its training_config.
struct TrainingSurroundings {
  bool has_validation_data = false;
  /// Epochs from one validation to the next.
  int validation_period = 0;
};

/// Checks a training_config that is there: counts, the soft-start schedule, the regularizer, early
/// stopping. Source: TAO's validators.
void CheckTrainingConfig(const spec::common::v1::TrainingConfig& config,
                         const TrainingSurroundings& surroundings, FieldCheck* check);

/// Sets what is absent. 0 counts as absent for checkpoint_interval and max_queue_size, as in TAO.
void ApplyTrainingDefaults(spec::common::v1::TrainingConfig* config);

}  // namespace trainyard::spec::internal
