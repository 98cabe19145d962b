#pragma once

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/model/model.h"

namespace trainyard::networks {

/// The graph of an SSD model with its head as standard nodes, for a plain `.onnx` that any runtime
/// can use: outputs `scores` [N, A, classes + 1], after the softmax (class 0 is background), and
/// `boxes` [N, A, 4], corners x1 y1 x2 y2 in units of the input's width and height, not clipped.
/// Suppression is the reader's. Anchors and variances become constants; the raw heads are no
/// outputs any more. Classes, preprocessing and network are written into the model's metadata
/// (`trainyard.network`, `.classes`, `.preprocess`).
///
/// kInvalidArgument: the record has no SSD head, its anchors cannot be made, the graph lacks its
/// outputs, or a name that the head needs is taken.
absl::StatusOr<graph::Graph> LowerSsdHead(const Model& model);

}  // namespace trainyard::networks
