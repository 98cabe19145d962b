#include "libs/engine/int8_coverage.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard {
namespace {

using ::testing::ElementsAre;

TEST(Int8CoverageTest, CountsWorkNotLayers) {
  const std::vector<RuntimeLayer> layers = {
      {.name = "stem", .type = "Convolution", .precision = "f32", .macs = 10},
      {.name = "big", .type = "Convolution", .precision = "u8", .macs = 80},
      {.name = "signed", .type = "Convolution", .precision = "i8", .macs = 5},
      {.name = "head", .type = "Convolution", .precision = "bf16", .macs = 5},
      {.name = "concat", .type = "Concatenation", .precision = "f32"}};
  const Int8Coverage coverage = CoverageOf(layers);
  EXPECT_EQ(coverage.macs, 100);
  EXPECT_EQ(coverage.int8_macs, 85);
  EXPECT_DOUBLE_EQ(coverage.share(), 0.85);
  EXPECT_THAT(coverage.float_layers, ElementsAre("stem", "head"));
}

TEST(Int8CoverageTest, NoConvolutionsAreNoCoverage) { EXPECT_EQ(CoverageOf({}).share(), 0); }

}  // namespace
}  // namespace trainyard
