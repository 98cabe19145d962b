#include "libs/data/review/near_search.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace trainyard::data {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

uint64_t Random64(Philox& random) { return uint64_t{random()} << 32 | random(); }

// Random hashes, each followed by one that differs in 0 to 24 random bits.
std::vector<uint64_t> Hashes(int count) {
  Philox random(5, 0, 0, RandomPurpose::kOrder);
  std::vector<uint64_t> hashes;
  for (int i = 0; i < count; ++i) {
    const uint64_t hash = Random64(random);
    uint64_t near = hash;
    for (int bit = 0; bit < i % 25; ++bit) near ^= uint64_t{1} << random.Below(64);
    hashes.push_back(hash);
    hashes.push_back(near);
  }
  return hashes;
}

std::vector<NearPair> AllPairs(const std::vector<uint64_t>& hashes, int radius) {
  std::vector<NearPair> pairs;
  for (size_t b = 0; b < hashes.size(); ++b) {
    for (size_t a = 0; a < b; ++a) {
      const int distance = std::popcount(hashes[a] ^ hashes[b]);
      if (distance <= radius) {
        pairs.push_back({static_cast<int64_t>(a), static_cast<int64_t>(b), distance});
      }
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const NearPair& x, const NearPair& y) {
    return std::tie(x.b, x.distance, x.a) < std::tie(y.b, y.distance, y.a);
  });
  return pairs;
}

// Kills: a quarter's radius that is one too small for some remainder, pairs found by two quarters and
// listed twice, buckets of the last value left out. Every radius has its own remainder.
TEST(FindNearTest, FindsWhatComparingAllPairsFinds) {
  const std::vector<uint64_t> hashes = Hashes(700);
  for (int radius = 0; radius <= 15; ++radius) {
    const NearPairs near = FindNear(hashes, radius, 100, 1);
    EXPECT_EQ(near.pairs, AllPairs(hashes, radius)) << radius;
    EXPECT_EQ(near.left_out, 0);
  }
}

// Kills: bits spread so that no quarter has less than its share. 11 bits as 3, 3, 3, 2 and 2, 3, 3, 3.
TEST(FindNearTest, FindsBitsThatAreSpreadEvenly) {
  for (const uint64_t mask : {0x0007000700070003u, 0x0003000700070007u, 0x8001C00180070007u}) {
    const int radius = std::popcount(mask);
    EXPECT_THAT(FindNear(std::vector<uint64_t>{0, mask}, radius, 5, 1).pairs,
                ElementsAre(NearPair{0, 1, radius}));
    EXPECT_THAT(FindNear(std::vector<uint64_t>{0, mask}, radius - 1, 5, 1).pairs, IsEmpty());
  }
}

// Kills: results in the order in which threads end.
TEST(FindNearTest, DoesNotDependOnThreads) {
  const std::vector<uint64_t> hashes = Hashes(1500);
  EXPECT_EQ(FindNear(hashes, 12, 3, 1).pairs, FindNear(hashes, 12, 3, 4).pairs);
}

// Kills: half a million pairs of a standing camera, or pairs that vanish without a count.
TEST(FindNearTest, KeepsTheNearestOfManyAndCountsTheOthers) {
  // The fourth is 2, 3 and 2 bits from those before it, the last 4, 1, 2 and 2.
  const std::vector<uint64_t> hashes = {0b01111, 0b00001, 0b00011, 0b00110, 0};
  const NearPairs near = FindNear(hashes, 4, 2, 1);
  EXPECT_THAT(near.pairs,
              ElementsAre(NearPair{0, 1, 3}, NearPair{1, 2, 1}, NearPair{0, 2, 2},
                          NearPair{0, 3, 2}, NearPair{2, 3, 2}, NearPair{1, 4, 1},
                          NearPair{2, 4, 2}));
  EXPECT_EQ(near.left_out, 3);
}

TEST(FindNearTest, NothingIsNearNothing) {
  EXPECT_THAT(FindNear({}, 11, 5, 2).pairs, IsEmpty());
  EXPECT_THAT(FindNear(std::vector<uint64_t>{7}, 11, 5, 2).pairs, IsEmpty());
}

}  // namespace
}  // namespace trainyard::data
