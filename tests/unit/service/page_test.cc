#include "libs/service/page.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::service {
namespace {

using ::testing::ElementsAre;
using ::testing::Pointee;

// Each item is its bytes.
const std::vector<size_t> kItems{1, 2, 3};

TEST(PageTest, HasAUsualSizeAndALargest) {
  EXPECT_EQ(PageSize(0), 50);
  EXPECT_EQ(PageSize(1), 1);
  EXPECT_EQ(PageSize(1001), 1000);
}

TEST(PageTest, TakesNoMoreThanItsSize) {
  std::vector<size_t> page;
  const auto add = [&page](size_t item) { return page.push_back(item), item; };
  EXPECT_THAT(FillPage(kItems, 2, add), Pointee(2));
  EXPECT_THAT(page, ElementsAre(1, 2));
  EXPECT_EQ(FillPage(kItems, 3, add), nullptr);
  EXPECT_EQ(FillPage(std::vector<size_t>(), 3, add), nullptr);
}

TEST(PageTest, TakesNoMoreOnceItIsLarge) {
  const auto add = [](size_t item) { return item * kMostPageBytes / 2; };
  // The second passes the bound, and is still on the page.
  EXPECT_THAT(FillPage(kItems, 3, add), Pointee(2));
  EXPECT_EQ(FillPage(std::vector<size_t>{3}, 3, add), nullptr);
}

}  // namespace
}  // namespace trainyard::service
