#pragma once

#include "absl/status/status.h"
#include "libs/graph/graph.h"

namespace trainyard::graph {

/// kInvalidArgument naming every Conv, ConvTranspose, Gemm and MatMul whose weights no runtime
/// computes anything sensible from: none at all, or values that are not finite.
absl::Status CheckWeights(const Graph& graph);

}  // namespace trainyard::graph
