#include "libs/base/random.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard {
namespace {

using ::testing::ElementsAre;
using Block = std::array<uint32_t, 4>;

// Philox-4x32-10 written from the paper's definition, for comparison.
Block Reference(Block counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * counter[0],
                   second = uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(second),
        static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(first)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

Block First(Philox& random) { return {random(), random(), random(), random()}; }

// The known answers of Random123, the paper's own implementation.
TEST(PhiloxTest, TheReferenceHasThePublishedAnswers) {
  EXPECT_THAT(Reference({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  constexpr uint32_t kAll = 0xffffffff;
  EXPECT_THAT(Reference({kAll, kAll, kAll, kAll}, {kAll, kAll}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Reference({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, HasThePublishedAnswerForZeros) {
  Philox random(0, 0, 0, static_cast<RandomPurpose>(0));
  EXPECT_THAT(First(random), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
}

TEST(PhiloxTest, SeedIsTheKeyAndTheStreamIsTheCounter) {
  Philox random(0x299f31d0a4093822, /*epoch=*/5, /*sample=*/0x1234567890,
                RandomPurpose::kAugmentation);
  const std::array<uint32_t, 2> key = {0xa4093822, 0x299f31d0};
  for (uint32_t block = 0; block < 3; ++block) {
    EXPECT_EQ(First(random), Reference({block, 0x34567890, 0x12, (3u << 24) | 5}, key)) << block;
  }
}

TEST(PhiloxTest, StreamsOfOtherNamesDiffer) {
  std::set<Block> blocks;
  for (uint64_t seed : {1, 2}) {
    for (uint32_t epoch : {0, 1}) {
      for (uint64_t sample : {0, 1}) {
        for (RandomPurpose purpose : {RandomPurpose::kOrder, RandomPurpose::kAugmentation}) {
          Philox random(seed, epoch, sample, purpose);
          blocks.insert(First(random));
        }
      }
    }
  }
  EXPECT_EQ(blocks.size(), 16u);
}

TEST(PhiloxTest, UniformTakes53BitsOfTwoWords) {
  Philox random(0, 0, 0, static_cast<RandomPurpose>(0));
  // (0x6627e8d5 >> 5) * 2^26 + (0xe169c58d >> 6), over 2^53.
  EXPECT_EQ(random.Uniform(), 0.39904647231489565);
}

TEST(PhiloxTest, BelowIsInRangeAndHitsEveryValueEvenly) {
  Philox random(7, 0, 0, RandomPurpose::kOrder);
  std::vector<int> hits(7);
  for (int i = 0; i < 70000; ++i) {
    const uint64_t value = random.Below(7);
    ASSERT_LT(value, 7u);
    ++hits[value];
  }
  // 10000 each, standard deviation 93.
  for (const int count : hits) EXPECT_NEAR(count, 10000, 500);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(PhiloxTest, NormalHasMeanZeroAndVarianceOne) {
  Philox random(7, 0, 0, RandomPurpose::kInitialization);
  constexpr int kCount = 100000;
  double sum = 0, squares = 0, inside = 0;
  for (int i = 0; i < kCount; ++i) {
    const double value = random.Normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    inside += std::abs(value) < 1;
  }
  // Five standard deviations of each mean.
  EXPECT_NEAR(sum / kCount, 0, 0.016);
  EXPECT_NEAR(squares / kCount, 1, 0.023);
  EXPECT_NEAR(inside / kCount, 0.6827, 0.0075);
}

TEST(PhiloxTest, ChanceKnowsNeverAndAlways) {
  Philox random(7, 0, 0, RandomPurpose::kOrder);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.Chance(0));
    EXPECT_TRUE(random.Chance(1));
  }
}

}  // namespace
}  // namespace trainyard
