#include "libs/layers/initial_weights.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::layers {
namespace {

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments MomentsOf(const Tensor& tensor) {
  Moments m;
  double squares = 0;
  for (const float w : tensor.data<float>()) {
    m.mean += w;
    squares += double{w} * w;
    m.largest = std::max(m.largest, std::abs(double{w}));
  }
  const double n = static_cast<double>(tensor.size());
  m.mean /= n;
  m.deviation = std::sqrt(squares / n - m.mean * m.mean);
  return m;
}

TEST(InitialKernelTest, GlorotIsUniformWithinItsLimit) {
  const Moments m =
      MomentsOf(InitialKernel(KernelInit::kGlorotUniform, {128, 64, 3, 3}, 42, "a/kernel"));
  const double limit = std::sqrt(6.0 / (64 * 9 + 128 * 9));
  EXPECT_NEAR(m.mean, 0, 0.01 * limit);
  EXPECT_NEAR(m.deviation, limit / std::sqrt(3.0), 0.01 * limit);
  EXPECT_LE(m.largest, limit);
  EXPECT_GT(m.largest, 0.999 * limit);
}

TEST(InitialKernelTest, HeIsNormalCutAtTwoSigma) {
  const Moments m =
      MomentsOf(InitialKernel(KernelInit::kHeNormal, {24, 512, 3, 3}, 42, "a/kernel"));
  const double deviation = std::sqrt(2.0 / (512 * 9));
  EXPECT_NEAR(m.mean, 0, 0.02 * deviation);
  EXPECT_NEAR(m.deviation, deviation, 0.02 * deviation);
  EXPECT_LE(m.largest, 2 * deviation / 0.8796);
}

TEST(InitialKernelTest, FanOutCountsFiltersAndADenseKernelHasNoTaps) {
  const Moments wide =
      MomentsOf(InitialKernel(KernelInit::kHeNormalFanOut, {24, 512, 3, 3}, 42, "a/kernel"));
  EXPECT_NEAR(wide.deviation, std::sqrt(2.0 / (24 * 9)), 0.02 * std::sqrt(2.0 / (24 * 9)));
  const Moments dense =
      MomentsOf(InitialKernel(KernelInit::kGlorotUniform, {256, 128}, 42, "a/kernel"));
  EXPECT_GT(dense.largest, 0.999 * std::sqrt(6.0 / (256 + 128)));
  EXPECT_LE(dense.largest, std::sqrt(6.0 / (256 + 128)));
}

TEST(InitialKernelTest, EachNameHasItsOwnStream) {
  const Shape shape = {4, 4, 3, 3};
  const Tensor a = InitialKernel(KernelInit::kGlorotUniform, shape, 42, "a/kernel");
  const Tensor b = InitialKernel(KernelInit::kGlorotUniform, shape, 42, "b/kernel");
  const Tensor again = InitialKernel(KernelInit::kGlorotUniform, shape, 42, "a/kernel");
  EXPECT_NE(a.data<float>(), b.data<float>());
  EXPECT_EQ(a.data<float>(), again.data<float>());
}

}  // namespace
}  // namespace trainyard::layers
