#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/engine/backend.h"

namespace trainyard {

/// How much of the convolutions' work runs in INT8, by multiply-accumulates for one image.
struct Int8Coverage {
  int64_t int8_macs = 0;
  int64_t macs = 0;
  /// Convolutions that run in a float, largest first.
  std::vector<std::string> float_layers;
  /// 0 for a network without convolutions.
  double share() const { return macs == 0 ? 0 : static_cast<double>(int8_macs) / macs; }
};

/// A convolution counts when its activations are `i8` or `u8`.
Int8Coverage CoverageOf(absl::Span<const RuntimeLayer> layers);

/// Reads it from what the runtime says it executes, not from what was asked for.
absl::StatusOr<Int8Coverage> MeasureInt8Coverage(const EngineRunner& runner);

}  // namespace trainyard
