#include "libs/engine/int8_coverage.h"

#include <optional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/engine/engine.h"
#include "libs/graph/builder.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::NormalTensor;

TEST(Int8CoverageTest, CountsWorkNotLayers) {
  const std::vector<RuntimeLayer> layers = {
      {.name = "stem", .type = "Convolution", .precision = "f32", .macs = 10},
      {.name = "big", .type = "Convolution", .precision = "u8", .macs = 80},
      {.name = "signed", .type = "Convolution", .precision = "i8", .macs = 5},
      {.name = "head", .type = "Convolution", .precision = "bf16", .macs = 5},
      {.name = "up",
       .type = "Deconvolution",
       .precision = "i8",
       .implementation = "brgconv_avx2_f32",
       .macs = 4},
      {.name = "dense",
       .type = "FullyConnected",
       .precision = "u8",
       .implementation = "jit_gemm_I8",
       .macs = 7},
      {.name = "concat", .type = "Concatenation", .precision = "f32"}};
  const Int8Coverage coverage = CoverageOf(layers);
  EXPECT_EQ(coverage.macs, 111);
  EXPECT_EQ(coverage.int8_macs, 92);
  EXPECT_DOUBLE_EQ(coverage.share(), 92.0 / 111);
  EXPECT_THAT(coverage.float_layers, ElementsAre("stem", "head", "up"))
      << "rounded and then computed in floats is no INT8";
}

TEST(Int8CoverageTest, AllProductsCountAndRunInInt8) {
  graph::GraphBuilder builder("mixed");
  std::string x = builder.Input("Input", {-1, 4, 8, 8});
  x = builder.Relu("relu", builder.Conv("conv", x, NormalTensor({8, 4, 3, 3}, 1, 0.2),
                                        NormalTensor({8}, 2), {.pad = 1}));
  x = builder.Node(
      "ConvTranspose", "up",
      {x, builder.Initializer("up/kernel", NormalTensor({8, 4, 2, 2}, 3, 0.2))},
      {{"strides", std::vector<int64_t>{2, 2}}, {"kernel_shape", std::vector<int64_t>{2, 2}}});
  x = builder.Node("Flatten", "flat", {builder.MaxPool("pool", x, 8, {.stride = 8})});
  x = builder.Node("Gemm", "dense",
                   {x, builder.Initializer("dense/kernel", NormalTensor({12, 16}, 4, 0.2))},
                   {{"transB", int64_t{1}}});
  x = builder.Node("MatMul", "last",
                   {x, builder.Initializer("last/kernel", NormalTensor({12, 5}, 5, 0.2))});
  builder.Output(x, {-1, 5});
  const auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  // conv: 8 * 4 * 9 at 64 places; up: 8 * 4 * 4 at 64 places of its input.
  const int64_t conv = 64 * 288, macs = conv + 64 * 128 + 12 * 16 + 12 * 5;
  EXPECT_THAT(graph->MacCount(), IsOkAndHolds(macs));

  const auto fp32 = BuildEngine({graph->Clone(), {}}, {.max_batch_size = 3, .threads = 1});
  ASSERT_THAT(fp32, IsOk());
  EXPECT_EQ(fp32->coverage.macs, macs);
  EXPECT_EQ(fp32->coverage.share(), 0);
  const auto layers = fp32->runner->RuntimeLayers();
  ASSERT_THAT(layers, IsOk());
  EXPECT_EQ(CoverageOf(*layers).macs, macs) << "the runtime shows all four";

  const auto table = CalibrateGraph(
      *graph, {},
      [done = false]() mutable -> absl::StatusOr<std::optional<Tensor>> {
        if (std::exchange(done, true)) return std::nullopt;
        return NormalTensor({3, 4, 8, 8}, 6);
      },
      3, 1);
  ASSERT_THAT(table, IsOk());
  EngineOptions options{
      .precision = "int8", .max_batch_size = 3, .threads = 1, .calibration = *table};
  const auto int8 = BuildEngine({graph->Clone(), {}}, options);
  ASSERT_THAT(int8, IsOk());
  if (int8->file.header.precision_used() != "int8") GTEST_SKIP() << "no INT8 on this processor";
  EXPECT_THAT(int8->quantized->report.kept_in_fp32, IsEmpty());
  // A runtime has no INT8 kernel of a transposed convolution on every processor.
  const bool up = int8->coverage.int8_macs == macs;
  EXPECT_EQ(int8->coverage.int8_macs, up ? macs : macs - 64 * 128)
      << ::testing::PrintToString(int8->coverage.float_layers);
  EXPECT_EQ(int8->file.header.macs(), macs);
  EXPECT_NEAR(int8->file.header.int8_mac_share(),
              static_cast<double>(int8->coverage.int8_macs) / macs, 1e-6);

  options.quantization.excluded_layers = {"up", "dense", "last"};
  const auto partly = BuildEngine({graph->Clone(), {}}, options);
  ASSERT_THAT(partly, IsOk());
  EXPECT_EQ(partly->coverage.int8_macs, conv);
  EXPECT_EQ(partly->coverage.macs, macs);
  EXPECT_NEAR(partly->file.header.int8_mac_share(), static_cast<double>(conv) / macs, 1e-6);
}

TEST(Int8CoverageTest, NoLayersAreNoCoverage) { EXPECT_EQ(CoverageOf({}).share(), 0); }

}  // namespace
}  // namespace trainyard::engine
