#include "libs/data/box.h"

#include <cmath>

#include "gtest/gtest.h"

namespace trainyard::data {
namespace {

TEST(IoUTest, IsTheSharedAreaOverTheJoinedOne) {
  // 2 x 3 shared of 4 x 4 + 4 x 4 - 6.
  EXPECT_FLOAT_EQ(IoU({0, 0, 4, 4}, {2, 1, 6, 5}), 6.0f / 26.0f);
  EXPECT_FLOAT_EQ(IoU({2, 1, 6, 5}, {0, 0, 4, 4}), 6.0f / 26.0f);
  EXPECT_FLOAT_EQ(IoU({1, 2, 3, 4}, {1, 2, 3, 4}), 1);
  EXPECT_FLOAT_EQ(IoU({-2, -2, 2, 2}, {-1, -1, 1, 1}), 4.0f / 16.0f);
}

TEST(IoUTest, IsZeroForBoxesThatOnlyTouch) {
  EXPECT_EQ(IoU({0, 0, 4, 4}, {4, 0, 8, 4}), 0);
  EXPECT_EQ(IoU({0, 0, 4, 4}, {5, 5, 8, 8}), 0);
}

TEST(IoUTest, IsZeroWhenEitherIsEmptyOrNoNumber) {
  EXPECT_EQ(IoU({1, 1, 1, 3}, {0, 0, 4, 4}), 0);
  EXPECT_EQ(IoU({3, 3, 1, 1}, {0, 0, 4, 4}), 0);
  EXPECT_EQ(IoU({1, 1, 1, 1}, {1, 1, 1, 1}), 0);
  EXPECT_EQ(IoU({NAN, 0, 4, 4}, {0, 0, 4, 4}), 0);
}

}  // namespace
}  // namespace trainyard::data
