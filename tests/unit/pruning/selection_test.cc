#include "libs/pruning/selection.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;

/// Twelve norms divided by their maximum, 1.2: five are above 0.3.
const std::vector<float> kNorms = {0.75f, 0.0417f, 0.3333f, 0.2583f, 0.0167f, 1.0f,
                                   0.5f,  0.0667f, 0.2083f, 0.0583f, 0.6667f, 0.0917f};

/// `above` channels of norm 1, the rest 0.
std::vector<float> Ones(int channels, int above) {
  std::vector<float> norms(channels, 0.0f);
  std::fill_n(norms.begin(), above, 1.0f);
  return norms;
}

TEST(SelectChannelsTest, KeepsWhatIsAboveTheThreshold) {
  EXPECT_THAT(SelectChannels(kNorms, {.threshold = 0.3, .granularity = 1, .min_channels = 1}),
              IsOkAndHolds(ElementsAre(0, 2, 5, 6, 10)));
}

TEST(SelectChannelsTest, RoundingUpReadmitsTheStrongestBelow) {
  for (const int64_t granularity : {4, 8}) {
    EXPECT_THAT(
        SelectChannels(kNorms, {.threshold = 0.3, .granularity = granularity, .min_channels = 2}),
        IsOkAndHolds(ElementsAre(0, 2, 3, 5, 6, 8, 10, 11)));
  }
}

TEST(SelectChannelsTest, TheMinimumReadmitsTheStrongestBelow) {
  EXPECT_THAT(SelectChannels(kNorms, {.threshold = 0.3, .granularity = 4, .min_channels = 8}),
              IsOkAndHolds(ElementsAre(0, 2, 3, 5, 6, 8, 10, 11)));
}

TEST(SelectChannelsTest, ALayerNotAboveTheMinimumStaysWhole) {
  EXPECT_THAT(SelectChannels(kNorms, {.threshold = 0.3, .granularity = 8, .min_channels = 16}),
              IsOkAndHolds(SizeIs(12)));
}

TEST(SelectChannelsTest, AChannelEqualToTheThresholdDoesNotCount) {
  const SelectionRule rule{.threshold = 0.5, .granularity = 1, .min_channels = 0};
  EXPECT_THAT(SelectChannels({1.0f, 0.5f, 0.1f, 0.6f}, rule), IsOkAndHolds(ElementsAre(0, 3)));
}

TEST(SelectChannelsTest, TheThresholdIsComparedAsFloat) {
  // 0.3f is larger than the double 0.3; as floats both are the same number.
  const SelectionRule rule{.threshold = 0.3, .granularity = 1, .min_channels = 0};
  EXPECT_THAT(SelectChannels({0.3f, 0.4f}, rule), IsOkAndHolds(ElementsAre(1)));
}

TEST(SelectChannelsTest, TheMinimumIsAppliedBeforeTheRounding) {
  EXPECT_THAT(
      SelectChannels(Ones(30, 0), {.threshold = 0.5, .granularity = 24, .min_channels = 16}),
      IsOkAndHolds(SizeIs(24)));
}

TEST(SelectChannelsTest, CountsAtTheEdges) {
  const SelectionRule rule{.threshold = 0.5, .granularity = 8, .min_channels = 16};
  EXPECT_THAT(SelectChannels(Ones(20, 20), rule), IsOkAndHolds(SizeIs(20)));
  EXPECT_THAT(SelectChannels(Ones(20, 17), rule), IsOkAndHolds(SizeIs(20)));
  EXPECT_THAT(SelectChannels(Ones(20, 3), rule), IsOkAndHolds(SizeIs(16)));
  EXPECT_THAT(SelectChannels(Ones(64, 9), rule), IsOkAndHolds(SizeIs(16)));
  EXPECT_THAT(SelectChannels(Ones(64, 17), rule), IsOkAndHolds(SizeIs(24)));
  EXPECT_THAT(SelectChannels({}, rule), IsOkAndHolds(IsEmpty()));
}

TEST(SelectChannelsTest, AHugeGranularityKeepsAll) {
  const SelectionRule rule{
      .threshold = 0.5, .granularity = std::numeric_limits<int64_t>::max(), .min_channels = 1};
  EXPECT_THAT(SelectChannels(Ones(20, 3), rule), IsOkAndHolds(SizeIs(20)));
}

TEST(SelectChannelsTest, TheLowerIndexWinsAmongEquals) {
  const SelectionRule rule{.threshold = 5, .granularity = 1, .min_channels = 2};
  EXPECT_THAT(SelectChannels(std::vector<float>(40, 1.0f), rule), IsOkAndHolds(ElementsAre(0, 1)));
}

TEST(SelectChannelsTest, NanCountsAsZero) {
  const float nan = std::nanf("");
  const SelectionRule rule{.threshold = -0.5, .granularity = 1, .min_channels = 0};
  EXPECT_THAT(SelectChannels({nan, 1, nan}, rule), IsOkAndHolds(ElementsAre(0, 1, 2)));
  EXPECT_THAT(
      SelectChannels({nan, 1, 0.5f, nan}, {.threshold = 9, .granularity = 1, .min_channels = 3}),
      IsOkAndHolds(ElementsAre(0, 1, 2)));
}

TEST(SelectChannelsTest, NamesEveryRuleThatIsBroken) {
  const SelectionRule rule{.threshold = INFINITY, .granularity = 0, .min_channels = -1};
  EXPECT_THAT(SelectChannels({1.0f}, rule),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("threshold is inf"), HasSubstr("granularity is 0"),
                             HasSubstr("min_channels is -1"))));
}

}  // namespace
}  // namespace trainyard::pruning
