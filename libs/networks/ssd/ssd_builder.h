#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/layers/backbone.h"
#include "libs/networks/ssd/ssd_backbone.h"

namespace trainyard::networks {

/// What decides the shape of an SSD graph.
struct SsdArchitecture {
  /// As FindSsdBackbone takes them.
  std::string arch = "resnet";
  int depth = 10;
  /// The network's input: pixels, at least 128, and channels, 1 or 3.
  int64_t width = 300, height = 300, channels = 3;
  /// Classes without background, >= 1.
  int64_t classes = 1;
  /// Boxes of a cell on each of the six prediction maps, >= 1.
  std::array<int64_t, 6> boxes_per_cell = {4, 6, 6, 6, 4, 4};
};

/// Names that the rest of the house meets.
inline constexpr char kSsdInput[] = "Input";
inline constexpr char kSsdConfidence[] = "mbox_conf";
inline constexpr char kSsdLocation[] = "mbox_loc";

struct SsdGraph {
  graph::Graph graph;
  /// Of the backbone, by ascending id: what TAO's freeze_blocks names.
  std::vector<layers::BackboneBlock> blocks;
};

/// A fresh SSD: a backbone of libs/layers as SsdBackbone says, four or five expansion blocks, six
/// pairs of heads. Nodes are called as TAO's layers (unnamed ones: `conv1_relu`, `block_1a_add`,
/// `conf_permute_0`), weights as libs/graph/builder.h says.
///
/// Input `Input` [N, channels, height, width]; outputs `mbox_conf` [N, anchors, classes + 1], raw
/// logits with background first, and `mbox_loc` [N, anchors, 4]; anchors by map, row, column, box.
///
/// Weights: kernels as the backbone draws them, of the expansion Glorot uniform, of the heads He
/// normal (cut at two sigma, as Keras), biases 0, batch norm 1/0/0/1. Each initializer draws from
/// its own stream, Philox(seed, CRC-32C of its name), so adding a layer changes no other. A pure
/// function of its arguments; 13 million weights take about 0.3 s.
///
/// kInvalidArgument, all problems at once, for the ranges above and as FindSsdBackbone.
/// Source: TAO's SSD.
absl::StatusOr<SsdGraph> BuildSsd(const SsdArchitecture& architecture, uint64_t seed);

}  // namespace trainyard::networks
