#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/graph/graph.h"

namespace trainyard::quantization {

/// A copy of `graph` whose outputs are its own, then those of `names` that are neither outputs nor
/// inputs yet, in their order. All of `names` must be f32 tensors.
///
/// kNotFound naming every tensor that no node makes, with the nearest name.
absl::StatusOr<graph::Graph> WithActivationOutputs(const graph::Graph& graph,
                                                   absl::Span<const std::string> names);

/// Which weights these are: SHA-256 over the constant kernels of the graph's layers (HasKernel) in
/// topological order. Survives what does not touch weights (metadata, a head attached at export),
/// so that a calibration table is known again. "" for a graph without such layers.
std::string WeightsDigest(const graph::Graph& graph);

}  // namespace trainyard::quantization
