#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/pruning/prune.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;

Model SmallSsd() {
  return {
      std::move(
          networks::BuildSsd({.depth = 10, .width = 128, .height = 128, .classes = 3}, 42)->graph),
      {}};
}

TEST(ThresholdForRatioTest, IsTheLeastThatRemovesEnough) {
  const Model model = SmallSsd();
  PruneOptions options;
  absl::StatusOr<double> threshold = ThresholdForRatio(model, options, 0.5);
  ASSERT_THAT(threshold, IsOk());
  options.threshold = *threshold;
  absl::StatusOr<PruneResult> enough = Prune(model, options);
  ASSERT_THAT(enough, IsOk());
  EXPECT_LE(enough->ratio, 0.5);
  EXPECT_GT(enough->ratio, 0.45) << "one step of granularity is a small part of the whole";
  options.threshold = std::nextafter(static_cast<float>(*threshold), 0.0f);
  absl::StatusOr<PruneResult> too_little = Prune(model, options);
  ASSERT_THAT(too_little, IsOk());
  EXPECT_GT(too_little->ratio, 0.5);
}

TEST(ThresholdForRatioTest, NothingIsRemovedForNothing) {
  EXPECT_THAT(ThresholdForRatio(SmallSsd(), {}, 0), IsOkAndHolds(-1.0));
}

TEST(ThresholdForRatioTest, SaysHowMuchCanGo) {
  PruneOptions options;
  options.min_filters = 512;
  EXPECT_THAT(ThresholdForRatio(SmallSsd(), options, 0.3),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("at most 0.0 %"), HasSubstr("asked for 30.0 %"))));
  EXPECT_THAT(ThresholdForRatio(SmallSsd(), {}, 1.5),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is 1.5; expected 0 to 1")));
}

}  // namespace
}  // namespace trainyard::pruning
