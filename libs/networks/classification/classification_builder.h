#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/layers/backbone.h"

namespace trainyard::networks {

/// TAO's names of input and output.
inline constexpr char kClassifierInput[] = "input_1";
inline constexpr char kClassifierLogits[] = "predictions";
/// The output of a lowered head.
inline constexpr char kClassifierProbabilities[] = "predictions/Softmax";

struct ClassifierArchitecture {
  layers::BackboneOptions backbone;
  int channels = 3, height = 224, width = 224;
  int classes = 0;
};

struct ClassifierGraph {
  graph::Graph graph;
  /// Of the backbone, by ascending id.
  std::vector<layers::BackboneBlock> blocks;
};

/// A fresh classifier: backbone, global average pooling `avg_pool`, `flatten`, and the dense layer
/// `predictions`, whose kernel is Glorot uniform and whose bias is 0.
///
/// Input `input_1` [N, channels, height, width]; output `predictions` [N, classes], logits: the softmax
/// of TAO's layer is the head's (libs/tasks/classification), and a node of plain exports.
///
/// Fails as layers::AddBackbone; kInvalidArgument for fewer than 2 classes. Source: TAO's
/// classification without a retained head.
absl::StatusOr<ClassifierGraph> BuildClassifier(const ClassifierArchitecture& architecture);

}  // namespace trainyard::networks
