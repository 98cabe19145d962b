#pragma once

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"

namespace trainyard::quantization {

/// What a graph of InsertQdq means, in the arithmetic of floats: kernels are the floats that their
/// steps stand for, and each pair at an activation becomes Div, Round (half to even), Clip and Mul.
/// No runtime finds anything in it that it could turn into integers, so it is the measure for what
/// a runtime makes of the Q/DQ form. Sums are rounded as floats are; an activation that lies on the
/// edge of two steps may fall to the other one.
///
/// kUnimplemented, naming the node, for a pair whose step is not a constant or, at an activation,
/// not a single number.
absl::StatusOr<graph::Graph> WithRoundingWrittenOut(const graph::Graph& quantized);

}  // namespace trainyard::quantization
