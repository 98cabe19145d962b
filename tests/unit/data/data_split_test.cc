#include "libs/data/data_split.h"

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::data {
namespace {

// Item i in a group of its own, of class 0; each tenth has class 1, too, and item 4 and 5 class 2.
std::vector<SplitItem> Items(int n) {
  std::vector<SplitItem> items;
  for (int i = 0; i < n; ++i) {
    items.push_back({.group = i, .classes = {0}});
    if (i % 10 == 0) items.back().classes.push_back(1);
    if (i == 4 || i == 5) items.back().classes.push_back(2);
  }
  return items;
}

int Count(const std::vector<bool>& chosen) {
  return static_cast<int>(std::count(chosen.begin(), chosen.end(), true));
}

TEST(ChooseValidationTest, TakesTheShareOfAllAndOfEachClass) {
  const std::vector<SplitItem> items = Items(200);
  const std::vector<bool> chosen = ChooseValidation(items, 0.2, 1);
  EXPECT_EQ(Count(chosen), 40);
  int rare = 0;
  for (size_t i = 0; i < items.size(); i += 10) rare += chosen[i] ? 1 : 0;
  // A fifth of the twenty, and what came along when the rest was filled up.
  EXPECT_GE(rare, 4);
  EXPECT_LE(rare, 10);
  EXPECT_NE(chosen[4], chosen[5]);
}

TEST(ChooseValidationTest, IsAFunctionOfTheSeed) {
  const std::vector<SplitItem> items = Items(100);
  EXPECT_EQ(ChooseValidation(items, 0.2, 1), ChooseValidation(items, 0.2, 1));
  EXPECT_NE(ChooseValidation(items, 0.2, 1), ChooseValidation(items, 0.2, 2));
}

TEST(ChooseValidationTest, NearDuplicatesStayTogether) {
  std::vector<SplitItem> items = Items(100);
  // Scenes of five pictures each, and one of thirty, which is more than validation takes.
  for (int i = 0; i < 100; ++i) items[static_cast<size_t>(i)].group = i < 70 ? i / 5 : 99;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<bool> chosen = ChooseValidation(items, 0.2, seed);
    for (size_t i = 1; i < 70; ++i) {
      EXPECT_TRUE(items[i].group != items[i - 1].group || chosen[i] == chosen[i - 1]) << i;
    }
    EXPECT_EQ(std::count(chosen.begin() + 70, chosen.end(), true), 0);
    EXPECT_GE(Count(chosen), 15);
    EXPECT_LE(Count(chosen), 25);
  }
}

TEST(ChooseValidationTest, TakesTheSmallerOfTwoLargeGroupsAndNothingOfOne) {
  std::vector<SplitItem> items(10);
  for (size_t i = 0; i < 10; ++i) items[i] = {.group = i < 6 ? 0 : 1, .classes = {0}};
  const std::vector<bool> chosen = ChooseValidation(items, 0.1, 3);
  EXPECT_EQ(Count(chosen), 4);
  EXPECT_TRUE(chosen[9]);
  for (SplitItem& item : items) item.group = 0;
  EXPECT_EQ(Count(ChooseValidation(items, 0.1, 3)), 0);
}

}  // namespace
}  // namespace trainyard::data
