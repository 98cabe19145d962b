#include "libs/training/schedule.h"

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "ATen/ops/zeros.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "torch/optim/schedulers/step_lr.h"
#include "torch/optim/sgd.h"

namespace trainyard::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

constexpr networks::SoftStartSchedule kSchedule{
    .min_rate = 5e-5, .max_rate = 2e-2, .soft_start = 0.15, .annealing = 0.8};

// Values of the reference, B.3.
TEST(LearningRateTest, FollowsTheSoftStartAnnealingCurve) {
  const std::pair<double, double> expected[] = {
      {0, 5e-5},    {0.05, 3.684031e-4}, {0.075, 1e-3}, {0.1, 2.714418e-3},
      {0.15, 2e-2}, {0.5, 2e-2},         {0.8, 2e-2},   {0.85, 4.472136e-3},
      {0.9, 1e-3},  {0.95, 2.236068e-4}, {1, 5e-5}};
  for (const auto& [progress, rate] : expected) {
    EXPECT_NEAR(LearningRate(kSchedule, progress), rate, 1e-6 * rate) << "at " << progress;
  }
}

TEST(LearningRateTest, IsTheMaximumAtOnceWithoutASoftStart) {
  networks::SoftStartSchedule schedule = kSchedule;
  schedule.soft_start = 0;
  EXPECT_THAT(Validate(schedule), IsOk());
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 2e-2);
}

TEST(LearningRateTest, ClampsProgressBeyondTheEnd) {
  EXPECT_NEAR(LearningRate(kSchedule, 1.5), 5e-5, 1e-12);
}

TEST(LearningRateTest, ASoftStartBehindTheAnnealingIsRefusedWithEveryOtherFault) {
  const networks::SoftStartSchedule schedule{
      .min_rate = 0, .max_rate = -1, .soft_start = 0.8, .annealing = 0.3};
  EXPECT_THAT(Validate(schedule), StatusIs(absl::StatusCode::kInvalidArgument,
                                           AllOf(HasSubstr("min_learning_rate is 0"),
                                                 HasSubstr("max_learning_rate is -1"),
                                                 HasSubstr("soft_start is 0.8"))));
}

void ExpectRates(const networks::Schedule& schedule,
                 const std::vector<std::pair<double, double>>& expected) {
  EXPECT_THAT(Validate(schedule), IsOk());
  for (const auto& [progress, rate] : expected) {
    EXPECT_NEAR(LearningRate(schedule, progress), rate, 1e-9 * rate) << "at " << progress;
  }
}

TEST(LearningRateTest, AStepMultipliesAtEachOfItsEnds) {
  ExpectRates(networks::StepSchedule{.rate = 0.4, .step_size = 30, .gamma = 0.5}, {{0, 0.4},
                                                                                   {0.299, 0.4},
                                                                                   {0.3, 0.2},
                                                                                   {0.599, 0.2},
                                                                                   {0.6, 0.1},
                                                                                   {0.9, 0.05},
                                                                                   {1, 0.05},
                                                                                   {2, 0.05}});
}

TEST(LearningRateTest, AStepEndsWhereItsQuotientIsMeantToBe) {
  // 29 / 100 is a hair below 0.29 in doubles.
  const networks::StepSchedule schedule{.rate = 1, .step_size = 29, .gamma = 0.5};
  EXPECT_EQ(LearningRate(schedule, 29 / 100.0), 0.5);
  EXPECT_EQ(LearningRate(schedule, 58 / 100.0), 0.25);
  EXPECT_EQ(LearningRate(schedule, 57 / 100.0), 0.5);
}

TEST(LearningRateTest, AHundredStepsAreThoseOfLibTorchsStepLr) {
  torch::optim::SGD optimizer({at::zeros({1})}, torch::optim::SGDOptions(0.1));
  torch::optim::StepLR theirs(optimizer, /*step_size=*/7, /*gamma=*/0.7);
  const networks::StepSchedule ours{.rate = 0.1, .step_size = 7, .gamma = 0.7};
  for (int step = 0; step < 100; ++step) {
    theirs.step();  // LibTorch's counts itself from 0: it is called before a step, PyTorch's behind it.
    const double rate = optimizer.param_groups()[0].options().get_lr();
    EXPECT_NEAR(LearningRate(ours, step / 100.0), rate, 1e-5 * rate) << "step " << step;
  }
}

TEST(LearningRateTest, SoftAnnealClimbsAndIsDividedBehindEachPoint) {
  // Half way up: (3e-4 + 5e-3) / 2.
  ExpectRates(networks::SoftAnnealSchedule{.rate = 5e-3,
                                           .soft_start = 0.1,
                                           .annealing_points = {0.3, 0.6, 0.8},
                                           .annealing_divider = 10},
              {{0, 3e-4},
               {0.05, 2.65e-3},
               {0.1, 5e-3},
               {0.3, 5e-3},
               {0.31, 5e-4},
               {0.7, 5e-5},
               {0.9, 5e-6},
               {1, 5e-6}});
}

TEST(LearningRateTest, SoftAnnealWithoutASoftStartOrPointsIsItsRate) {
  ExpectRates(networks::SoftAnnealSchedule{.rate = 0.01}, {{0, 0.01}, {0.5, 0.01}, {1, 0.01}});
}

TEST(LearningRateTest, ACosineFallsFromTheRateToItsShare) {
  // 0.001 + 0.099 * (1 + cos(pi p)) / 2; cos is 0.5 at a third, 0 at a half, -0.5 at two thirds.
  ExpectRates(networks::CosineSchedule{.rate = 0.1, .min_rate_ratio = 0.01},
              {{0, 0.1}, {1 / 3.0, 0.07525}, {0.5, 0.0505}, {2 / 3.0, 0.02575}, {1, 0.001}});
}

TEST(LearningRateTest, ACosineWithASoftStartIsNotStretched) {
  // Up from 0.01 to 0.1; at 0.75 the cosine stands at pi / 2, at 1 at 3 pi / 4: (1 - 0.70710678)
  // / 2.
  ExpectRates(networks::CosineSchedule{.rate = 0.1, .min_rate_ratio = 0.1, .soft_start = 0.25},
              {{0, 0.01}, {0.125, 0.055}, {0.25, 0.1}, {0.75, 0.055}, {1, 0.0231801948466}});
}

// PyTorch's CosineAnnealingLR, which LibTorch has not, in the recursive form that it computes.
TEST(LearningRateTest, AHundredStepsAreThoseOfPyTorchsCosineAnnealing) {
  constexpr double kRate = 0.1, kLeast = 0.001;
  const networks::CosineSchedule ours{.rate = kRate, .min_rate_ratio = kLeast / kRate};
  double rate = kRate;
  for (int step = 0; step < 100; ++step) {
    EXPECT_NEAR(LearningRate(ours, step / 100.0), rate, 1e-5 * rate) << "step " << step;
    const double pi = std::acos(-1.0);
    rate =
        (1 + std::cos(pi * (step + 1) / 100)) / (1 + std::cos(pi * step / 100)) * (rate - kLeast) +
        kLeast;
  }
}

TEST(LearningRateTest, EveryFaultOfAScheduleIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto faults = [](const networks::Schedule& schedule, const auto&... words) {
    EXPECT_THAT(Validate(schedule),
                StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(words)...)));
  };
  faults(networks::StepSchedule{.rate = 0, .step_size = 0, .gamma = 1.5}, "learning_rate is 0",
         "step_size is 0; expected a number in (0, 100]", "gamma is 1.5; expected");
  faults(networks::StepSchedule{.rate = nan, .step_size = 101, .gamma = nan},
         "learning_rate is nan", "step_size is 101", "gamma is nan");
  faults(
      networks::SoftAnnealSchedule{
          .rate = -1, .soft_start = 1, .annealing_points = {1.5}, .annealing_divider = 0},
      "learning_rate is -1", "soft_start is 1; expected a number in [0, 1)",
      "annealing_points[0] is 1.5", "annealing_divider is 0");
  faults(
      networks::SoftAnnealSchedule{
          .rate = 1, .soft_start = 0.3, .annealing_points = {0.3, 0.2, 0.5}},
      "annealing_points[0] is 0.3; expected ascending numbers above soft_start (0.3)",
      "annealing_points[1] is 0.2");
  faults(networks::CosineSchedule{.rate = 0, .min_rate_ratio = 2, .soft_start = -0.1},
         "learning_rate is 0", "min_lr_ratio is 2", "soft_start is -0.1");
}

}  // namespace
}  // namespace trainyard::training
