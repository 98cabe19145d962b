#include "libs/service/internal/retention_clock.h"

#include "gtest/gtest.h"

namespace trainyard::service {
namespace {

using std::chrono::hours;
const absl::Time kWall = absl::FromUnixSeconds(1'700'000'000);
const SteadyTime kSteady{hours(5)};

TEST(RetentionClockTest, CountsWhatTheSteadyClockCounts) {
  const RetentionClock clock({}, kWall, kSteady);
  EXPECT_EQ(clock.At(kSteady), kWall);
  EXPECT_EQ(clock.At(kSteady + hours(3)), kWall + absl::Hours(3));
}

TEST(RetentionClockTest, APauseOfUpToADayCounts) {
  const RetentionClock first({}, kWall, kSteady);
  const auto stored = first.State(kWall + absl::Hours(1), kSteady + hours(1));
  const RetentionClock second(stored, kWall + absl::Hours(24), kSteady);
  EXPECT_EQ(second.At(kSteady), kWall + absl::Hours(24));
}

TEST(RetentionClockTest, ALeapDoesNotCount) {
  const RetentionClock first({}, kWall, kSteady);
  const auto stored = first.State(kWall, kSteady);
  for (const absl::Duration leap : {absl::Hours(24 * 32), -absl::Hours(1), absl::Hours(25)}) {
    EXPECT_EQ(RetentionClock(stored, kWall + leap, kSteady).At(kSteady), kWall) << leap;
  }
  // Nor does one that began while the process ran.
  const auto leapt = first.State(kWall + absl::Hours(24 * 32), kSteady + hours(1));
  const RetentionClock after(leapt, kWall + absl::Hours(24 * 32 + 2), kSteady);
  EXPECT_EQ(after.At(kSteady), kWall + absl::Hours(3));
}

}  // namespace
}  // namespace trainyard::service
