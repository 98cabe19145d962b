#pragma once

#include <set>
#include <string>

#include "libs/graph/graph.h"

namespace trainyard::quantization {

/// The values of the graph that cannot be below 0 whatever the input is: what Relu, Sigmoid, a Clip
/// from 0 and the like make, and what poolings, concatenations, slices, sums, products and
/// reshapes make of such values alone. That a value was never below 0 on some images is another
/// thing, and not asked here.
std::set<std::string> NeverNegative(const graph::Graph& graph);

}  // namespace trainyard::quantization
