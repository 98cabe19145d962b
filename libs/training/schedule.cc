#include "libs/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <variant>

#include "absl/strings/str_format.h"
#include "libs/base/problems.h"

namespace trainyard::training {
namespace {

void Check(const networks::SoftStartSchedule& schedule, Problems& problems) {
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
}

void CheckRate(double rate, Problems& problems) {
  if (std::isfinite(rate) && rate > 0) return;
  problems.Add("learning_rate", "is %g; expected a finite number above 0", rate);
}

void CheckSoftStart(double soft_start, Problems& problems) {
  if (soft_start >= 0 && soft_start < 1) return;
  problems.Add("soft_start", "is %g; expected a number in [0, 1)", soft_start);
}

void Check(const networks::StepSchedule& schedule, Problems& problems) {
  CheckRate(schedule.rate, problems);
  if (!(schedule.step_size > 0 && schedule.step_size <= 100)) {
    problems.Add("step_size", "is %g; expected a number in (0, 100], per cent of the training",
                 schedule.step_size);
  }
  if (!(schedule.gamma >= 0 && schedule.gamma <= 1)) {
    problems.Add("gamma", "is %g; expected a number in [0, 1]", schedule.gamma);
  }
}

void Check(const networks::SoftAnnealSchedule& schedule, Problems& problems) {
  CheckRate(schedule.rate, problems);
  CheckSoftStart(schedule.soft_start, problems);
  double before = schedule.soft_start;
  for (size_t i = 0; i < schedule.annealing_points.size(); ++i) {
    const double point = schedule.annealing_points[i];
    if (!(point <= 1 && (i == 0 ? point > before : point >= before))) {
      problems.Add(absl::StrFormat("annealing_points[%d]", i),
                   "is %g; expected ascending numbers above soft_start (%g) and at most 1", point,
                   schedule.soft_start);
    }
    before = point;
  }
  if (!(std::isfinite(schedule.annealing_divider) && schedule.annealing_divider > 0)) {
    problems.Add("annealing_divider", "is %g; expected a finite number above 0",
                 schedule.annealing_divider);
  }
}

void Check(const networks::CosineSchedule& schedule, Problems& problems) {
  CheckRate(schedule.rate, problems);
  if (!(schedule.min_rate_ratio >= 0 && schedule.min_rate_ratio <= 1)) {
    problems.Add("min_lr_ratio", "is %g; expected a number in [0, 1]", schedule.min_rate_ratio);
  }
  CheckSoftStart(schedule.soft_start, problems);
}

double Rate(const networks::SoftStartSchedule& schedule, double p) {
  double height = 1.0;
  if (p < schedule.soft_start) {
    height = p / schedule.soft_start;
  } else if (p > schedule.annealing) {
    height = (1.0 - p) / (1.0 - schedule.annealing);
  }
  const double low = std::log(schedule.min_rate);
  return std::exp(low + height * (std::log(schedule.max_rate) - low));
}

double Rate(const networks::StepSchedule& schedule, double p) {
  // Progress is a quotient of integers: what is a hair below a step's end is meant to be there.
  constexpr double kHair = 1e-9;
  return schedule.rate * std::pow(schedule.gamma, std::floor(100 * p / schedule.step_size + kHair));
}

double Rate(const networks::SoftAnnealSchedule& schedule, double p) {
  if (p < schedule.soft_start) {
    const double height = p / schedule.soft_start;
    return networks::kSoftAnnealStart + height * (schedule.rate - networks::kSoftAnnealStart);
  }
  double rate = schedule.rate;
  for (const double point : schedule.annealing_points) {
    if (p > point) rate /= schedule.annealing_divider;
  }
  return rate;
}

double Rate(const networks::CosineSchedule& schedule, double p) {
  const double min = schedule.min_rate_ratio * schedule.rate;
  const double height = p < schedule.soft_start
                            ? p / schedule.soft_start
                            : (1 + std::cos(std::numbers::pi * (p - schedule.soft_start))) / 2;
  return min + height * (schedule.rate - min);
}

}  // namespace

absl::Status Validate(const networks::Schedule& schedule) {
  Problems problems;
  std::visit([&](const auto& one) { Check(one, problems); }, schedule);
  return problems.ToStatus();
}

double LearningRate(const networks::Schedule& schedule, double progress) {
  const double p = std::clamp(progress, 0.0, 1.0);
  return std::visit([p](const auto& one) { return Rate(one, p); }, schedule);
}

}  // namespace trainyard::training
