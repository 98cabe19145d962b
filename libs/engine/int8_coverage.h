#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/engine/backend.h"
#include "libs/graph/graph.h"

namespace trainyard::engine {

/// How much of the work runs in INT8, by multiply-accumulates of Conv, ConvTranspose, Gemm and
/// MatMul for one image.
struct Int8Coverage {
  int64_t int8_macs = 0;
  int64_t macs = 0;
  /// Layers that run in a float, largest first.
  std::vector<std::string> float_layers;
  /// 0 for a network without such layers.
  double share() const { return macs == 0 ? 0 : static_cast<double>(int8_macs) / macs; }
};

/// A layer counts as INT8 when its activations are `i8` or `u8` and its kernel is not one for
/// floats
/// ("brgconv_avx2_f32").
Int8Coverage CoverageOf(absl::Span<const RuntimeLayer> layers);

/// Reads it from what the runtime says it executes, not from what was asked for. `macs` is the
/// graph's own count (Graph::MacCount): work that the runtime does not show is not INT8. Where the
/// graph's shapes are not known without running it, the runtime's count stands.
absl::StatusOr<Int8Coverage> MeasureInt8Coverage(const EngineRunner& runner,
                                                 const graph::Graph& graph);

}  // namespace trainyard::engine
