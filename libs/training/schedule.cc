#include "libs/training/schedule.h"

#include <algorithm>
#include <cmath>

#include "libs/base/problems.h"

namespace trainyard::training {

absl::Status Validate(const LearningRateSchedule& schedule) {
  Problems problems;
  const bool rates = std::isfinite(schedule.min_rate) && std::isfinite(schedule.max_rate);
  if (!rates || schedule.min_rate <= 0) {
    problems.Add("min_learning_rate", "is %g; expected a finite number above 0", schedule.min_rate);
  }
  if (!rates || schedule.max_rate < schedule.min_rate) {
    problems.Add("max_learning_rate", "is %g; expected at least min_learning_rate (%g)",
                 schedule.max_rate, schedule.min_rate);
  }
  if (!(schedule.soft_start >= 0 && schedule.soft_start < schedule.annealing)) {
    problems.Add("soft_start", "is %g; expected at least 0 and below annealing (%g)",
                 schedule.soft_start, schedule.annealing);
  }
  if (!(schedule.annealing <= 1)) {
    problems.Add("annealing", "is %g; expected at most 1", schedule.annealing);
  }
  return problems.ToStatus();
}

double LearningRate(const LearningRateSchedule& schedule, double progress) {
  const double p = std::clamp(progress, 0.0, 1.0);
  double height = 1.0;
  if (p < schedule.soft_start) {
    height = p / schedule.soft_start;
  } else if (p > schedule.annealing) {
    height = (1.0 - p) / (1.0 - schedule.annealing);
  }
  const double low = std::log(schedule.min_rate);
  return std::exp(low + height * (std::log(schedule.max_rate) - low));
}

}  // namespace trainyard::training
