#include "libs/engine/subset.h"

#include <algorithm>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOkAndHolds;
using testing::StatusIs;

/// Holds when all of `needed` are there.
auto Needs(const std::vector<size_t>& needed, int& tests) {
  return [needed, &tests](const std::vector<size_t>& part) -> absl::StatusOr<bool> {
    ++tests;
    return std::all_of(needed.begin(), needed.end(), [&](size_t element) {
      return std::find(part.begin(), part.end(), element) != part.end();
    });
  };
}

TEST(SmallSubsetTest, FindsTheFewThatAreNeeded) {
  int tests = 0;
  EXPECT_THAT(SmallSubset(40, 1000, Needs({17}, tests)), IsOkAndHolds(ElementsAre(17)));
  EXPECT_LT(tests, 2 * 6 + 1) << "halves, again and again";
  EXPECT_THAT(SmallSubset(40, 1000, Needs({0, 17, 39}, tests)),
              IsOkAndHolds(ElementsAre(0, 17, 39)));
  EXPECT_THAT(SmallSubset(3, 1000, Needs({0, 1, 2}, tests)), IsOkAndHolds(ElementsAre(0, 1, 2)));
  EXPECT_THAT(SmallSubset(1, 1000, Needs({0}, tests)), IsOkAndHolds(ElementsAre(0)));
  EXPECT_THAT(SmallSubset(0, 1000, Needs({}, tests)), IsOkAndHolds(IsEmpty()));
}

TEST(SmallSubsetTest, WhatItReturnsHoldsAlsoWhenItStopsEarly) {
  for (int most = 0; most < 12; ++most) {
    int tests = 0;
    const auto found = SmallSubset(40, most, Needs({3, 30}, tests));
    EXPECT_LE(tests, most);
    EXPECT_THAT(*found, ::testing::IsSupersetOf({size_t{3}, size_t{30}}));
  }
}

TEST(SmallSubsetTest, ErrorsPassThrough) {
  EXPECT_THAT(SmallSubset(4, 10,
                          [](const std::vector<size_t>&) -> absl::StatusOr<bool> {
                            return absl::CancelledError("stopped");
                          }),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace trainyard::engine
