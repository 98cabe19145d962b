#include "libs/engine/precision.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST(ChoosePrecisionTest, TakesWhatTheProcessorHas) {
  const auto fp32 = ChoosePrecision("FP32", {"FP32", "INT8"});
  ASSERT_THAT(fp32, IsOk());
  EXPECT_EQ(fp32->used, Precision::kFp32);
  EXPECT_EQ(fp32->warning, "");
  const auto int8 = ChoosePrecision("int8", {"FP32", "INT8"});
  ASSERT_THAT(int8, IsOk());
  EXPECT_EQ(int8->used, Precision::kInt8);
  EXPECT_EQ(int8->warning, "");
  EXPECT_EQ(ChoosePrecision("", {"FP32"})->requested, "fp32");
}

TEST(LargestKernelStepTest, IsSmallWherePairsOfProductsAreAddedIn16Bits) {
  EXPECT_EQ(LargestKernelStep({"avx2", "avx512f", "avx512_vnni"}), 127);
  EXPECT_EQ(LargestKernelStep({"avx2", "avx_vnni"}), 127);
  EXPECT_EQ(LargestKernelStep({"amx_int8"}), 127);
  const int without = LargestKernelStep({"avx2", "avx512f", "avx512bw"});
  EXPECT_LE(2 * 255 * without, 32767);
  EXPECT_GT(2 * 255 * (without + 1), 32767);
}

TEST(ChoosePrecisionTest, WhatTheProcessorLacksBecomesFp32WithAWarning) {
  const auto half = ChoosePrecision("fp16", {"FP32", "BF16", "INT8"});
  ASSERT_THAT(half, IsOk());
  EXPECT_EQ(half->requested, "fp16");
  EXPECT_EQ(half->used, Precision::kFp32);
  EXPECT_THAT(half->warning, AllOf(HasSubstr("FP16"), HasSubstr("FP32 is built")));
  const auto int8 = ChoosePrecision("int8", {"FP32"});
  ASSERT_THAT(int8, IsOk());
  EXPECT_EQ(int8->used, Precision::kFp32);
  EXPECT_THAT(int8->warning, HasSubstr("INT8"));
}

TEST(ChoosePrecisionTest, WhatIsNotOfferedIsNamed) {
  EXPECT_THAT(ChoosePrecision("fp16", {"FP32", "FP16"}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("fp16")));
  EXPECT_THAT(ChoosePrecision("bf16", {"FP32", "BF16"}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("bf16")));
  EXPECT_THAT(ChoosePrecision("int4", {"FP32"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'int4'"), HasSubstr("'int8'"))));
}

}  // namespace
}  // namespace trainyard::engine
