#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "libs/networks/network.h"

namespace trainyard::training {

/// The ranges that LearningRate needs: 0 < min_rate <= max_rate, 0 <= soft_start < annealing <= 1,
/// all finite. kInvalidArgument lists each break.
absl::Status Validate(const LearningRateSchedule& schedule);

/// TAO's soft-start annealing: log(rate) climbs in a straight line from min to max until
/// `soft_start`, stays until `annealing`, and falls back to min. `progress` in [0, 1] is the batch
/// about to be computed (0-based) over all batches of the training; outside it is clamped.
/// `schedule` is valid. Source: TAO's `soft_start_annealing_schedule`.
double LearningRate(const LearningRateSchedule& schedule, double progress);

}  // namespace trainyard::training
