#include "libs/training/schedule.h"

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace trainyard::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

constexpr LearningRateSchedule kSchedule{
    .min_rate = 5e-5, .max_rate = 2e-2, .soft_start = 0.15, .annealing = 0.8};

// Values of the reference, B.3.
TEST(LearningRateTest, FollowsTheSoftStartAnnealingCurve) {
  const std::pair<double, double> expected[] = {
      {0, 5e-5},      {0.05, 3.684031e-4}, {0.075, 1e-3},       {0.1, 2.714418e-3},
      {0.15, 2e-2},   {0.5, 2e-2},         {0.8, 2e-2},         {0.85, 4.472136e-3},
      {0.9, 1e-3},    {0.95, 2.236068e-4}, {1, 5e-5}};
  for (const auto& [progress, rate] : expected) {
    EXPECT_NEAR(LearningRate(kSchedule, progress), rate, 1e-6 * rate) << "at " << progress;
  }
}

TEST(LearningRateTest, IsTheMaximumAtOnceWithoutASoftStart) {
  LearningRateSchedule schedule = kSchedule;
  schedule.soft_start = 0;
  EXPECT_THAT(Validate(schedule), IsOk());
  EXPECT_DOUBLE_EQ(LearningRate(schedule, 0), 2e-2);
}

TEST(LearningRateTest, ClampsProgressBeyondTheEnd) {
  EXPECT_NEAR(LearningRate(kSchedule, 1.5), 5e-5, 1e-12);
}

TEST(LearningRateTest, ASoftStartBehindTheAnnealingIsRefusedWithEveryOtherFault) {
  const LearningRateSchedule schedule{
      .min_rate = 0, .max_rate = -1, .soft_start = 0.8, .annealing = 0.3};
  EXPECT_THAT(Validate(schedule),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("min_learning_rate is 0"),
                             HasSubstr("max_learning_rate is -1"), HasSubstr("soft_start is 0.8"))));
}

}  // namespace
}  // namespace trainyard::training
