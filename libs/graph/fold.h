#pragma once

#include "absl/status/status.h"
#include "libs/graph/graph.h"

namespace trainyard::graph {

/// Folds every BatchNormalization that alone reads a Conv into that Conv's kernel and bias, for
/// inference: kernel' = kernel * s, bias' = (bias - mean) * s + beta with s = gamma / sqrt(variance
/// + epsilon), worked out in double. The Conv keeps its name and makes the value that the
/// BatchNormalization made; its bias is called `<conv>/bias`. Others stay as they are: a BN after
/// something else, after a Conv whose output is read elsewhere or is a graph output, with weights
/// that are no initializers, or in training mode.
///
/// kInvalidArgument, naming the node, when the weights' shapes do not fit each other; the graph is
/// then in an unspecified but valid state.
absl::Status FoldBatchNorm(Graph& graph);

/// Turns what depends on no value of the input into initializers: Constant nodes, Identity nodes of
/// initializers (their readers read these), and arithmetic on shapes (Shape, Gather, Slice,
/// Squeeze, Unsqueeze, Concat, Add, Sub, Mul, Div) as far as the shapes are fixed. A Reshape whose
/// target names the open batch ([batch, -1], as PyTorch writes `view` and `flatten`) reads [0, -1]
/// instead, which says the same; a Resize to sizes reads scales, where these lead to the same. What
/// it cannot follow, it leaves. Graph::Parse has done this to every graph that was loaded.
void FoldConstants(Graph& graph);

}  // namespace trainyard::graph
