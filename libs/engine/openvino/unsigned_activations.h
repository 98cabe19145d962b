#pragma once

#include "libs/graph/graph.h"

namespace trainyard::engine {

/// The same Q/DQ graph with activations as u8 with zero point 128 where they are s8 with zero
/// point 0: the same steps, so the same numbers.
///
/// OpenVINO computes layers in u8 (except on AMX) and changes s8 pairs itself. Where it has
/// moved a pair through a Concat it then takes the range of the stored integers for that of the
/// real numbers, and the convolution behind the Concat is fed a handful of steps instead of 255.
/// Pairs that are u8 already are left as they are. Also pairs whose integers are read by anything
/// but a DequantizeLinear, or whose zero point is not 0, are left; and those of transposed
/// convolutions alone, which it computes in floats where the zero point is not 0.
graph::Graph WithUnsignedActivations(const graph::Graph& graph);

}  // namespace trainyard::engine
