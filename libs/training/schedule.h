#pragma once

#include "absl/status/status.h"
#include "libs/networks/training_plan.h"

namespace trainyard::training {

/// The ranges that LearningRate needs, all finite. kInvalidArgument lists each break, by the names that
/// TAO's specs have for the fields.
///
///     soft start   0 < min_rate <= max_rate, 0 <= soft_start < annealing <= 1
///     step         rate > 0, step_size in (0, 100], gamma in [0, 1]
///     soft anneal  rate > 0, 0 <= soft_start < 1, points ascending, in (soft_start, 1], divider > 0
///     cosine       rate > 0, min_rate_ratio in [0, 1], 0 <= soft_start < 1
absl::Status Validate(const networks::Schedule& schedule);

/// The rate at p = `progress`, the batch about to be computed (0-based) over all batches of the training;
/// outside [0, 1] it is clamped. `schedule` is valid.
///
///     soft start   log(rate) climbs in a straight line from min to max until `soft_start`, stays until
///                  `annealing`, and falls back to min
///     step         rate * gamma^floor(100 p / step_size)
///     soft anneal  p < soft_start: in a straight line from kSoftAnnealStart to rate; then
///                  rate / annealing_divider^(points below p)
///     cosine       p < soft_start: in a straight line from min = min_rate_ratio * rate to rate; then
///                  min + (rate - min) * (1 + cos(pi * (p - soft_start))) / 2
///
/// The cosine is not stretched: with a soft start it ends above min, in TAO too. TAO's code for `step` leaves
/// out the floor, so that its rate slides down; PyTorch's StepLR and the name of the schedule have it.
///
/// Source: TAO's `soft_start_annealing_schedule` and the lr_config of its classification.
double LearningRate(const networks::Schedule& schedule, double progress);

}  // namespace trainyard::training
