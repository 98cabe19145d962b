#include "libs/layers/initial_weights.h"

#include <cmath>

#include "libs/base/digest.h"
#include "libs/base/random.h"

namespace trainyard::layers {
namespace {

/// Standard deviation of a standard normal that is cut off at +-2.
constexpr double kCutNormalDeviation = 0.87962566103423978;

double CutNormal(Philox& random) {
  double z = random.Normal();
  while (std::abs(z) > 2) z = random.Normal();
  return z / kCutNormalDeviation;
}

}  // namespace

Tensor InitialKernel(KernelInit init, const Shape& shape, uint64_t seed, const std::string& name) {
  Tensor kernel = Tensor::Zeros(DType::kFloat32, shape);
  int64_t taps = 1;
  for (size_t i = 2; i < shape.size(); ++i) taps *= shape[i];
  const double fan_in = static_cast<double>(shape[1] * taps);
  const double fan_out = static_cast<double>(shape[0] * taps);
  Philox random(seed, 0, Crc32c(name), RandomPurpose::kInitialization);
  if (init == KernelInit::kGlorotUniform) {
    const double limit = std::sqrt(6 / (fan_in + fan_out));
    for (float& w : kernel.data<float>()) w = static_cast<float>(random.Uniform(-limit, limit));
  } else {
    const double deviation = std::sqrt(2 / (init == KernelInit::kHeNormal ? fan_in : fan_out));
    for (float& w : kernel.data<float>()) w = static_cast<float>(deviation * CutNormal(random));
  }
  return kernel;
}

}  // namespace trainyard::layers
