#pragma once

#include <cstdint>
#include <string>

#include "libs/tensor/tensor.h"

namespace trainyard::layers {

/// How the weights of a fresh layer are drawn. Keras' definitions, in double, rounded once.
enum class KernelInit {
  /// Uniform in +-sqrt(6 / (fan_in + fan_out)).
  kGlorotUniform,
  /// Normal with standard deviation sqrt(2 / fan_in) after its tails beyond two sigma are cut off.
  kHeNormal,
  /// The same with fan_out.
  kHeNormalFanOut,
};

/// A kernel of shape [out, in], of a dense layer, or [out, in, kh, kw], for the initializer `name`.
/// A fan is the number of values that a weight's input or output reaches: in, or out, times kh *
/// kw. The stream is Philox(seed, epoch 0, sample CRC-32C(name), kInitialization): a pure function.
Tensor InitialKernel(KernelInit init, const Shape& shape, uint64_t seed, const std::string& name);

}  // namespace trainyard::layers
