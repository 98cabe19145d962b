#include "libs/data/internal/python_random.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::data::internal {
namespace {

using ::testing::ElementsAre;

std::vector<int> Range(int begin, int end) {
  std::vector<int> values(static_cast<size_t>(end - begin));
  std::iota(values.begin(), values.end(), begin);
  return values;
}

// What the original converter is known to do with ten frames and seed 42.
TEST(PythonRandomTest, ShufflesTenAsPythonDoes) {
  std::vector<int> values = Range(0, 10);
  PythonRandom(42).Shuffle(values);
  EXPECT_THAT(values, ElementsAre(7, 3, 2, 8, 5, 6, 9, 4, 0, 1));
}

TEST(PythonRandomTest, GoesOnInOneStream) {
  // Its folds are shuffled twice, in turn, by one generator.
  std::vector<int> validation = Range(0, 2), training = Range(2, 10);
  PythonRandom random(42);
  for (int round = 0; round < 2; ++round) {
    random.Shuffle(validation);
    random.Shuffle(training);
  }
  EXPECT_THAT(validation, ElementsAre(0, 1));
  EXPECT_THAT(training, ElementsAre(6, 9, 3, 8, 4, 2, 5, 7));
}

TEST(PythonRandomTest, TakesSeedsOfMoreThanOneWord) {
  std::vector<int> a = Range(0, 100), b = Range(0, 100);
  PythonRandom(5).Shuffle(a);
  PythonRandom((uint64_t{1} << 32) + 5).Shuffle(b);
  EXPECT_NE(a, b);
}

TEST(PythonRandomTest, ShufflesNothingAndOne) {
  std::vector<int> none, one = {4};
  PythonRandom random(1);
  random.Shuffle(none);
  random.Shuffle(one);
  EXPECT_THAT(one, ElementsAre(4));
}

}  // namespace
}  // namespace trainyard::data::internal
