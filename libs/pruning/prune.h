#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/models/network.h"
#include "libs/pruning/scores.h"

namespace trainyard {

/// TAO's options of `prune`, with its defaults.
struct PruneOptions {
  /// TAO -n.
  Normalizer normalizer = Normalizer::kMax;
  /// TAO -eq.
  Equalization equalization = Equalization::kUnion;
  /// Kept counts are rounded up to a multiple of this. >= 1. TAO -pg.
  int64_t granularity = 8;
  /// A channel counts when its normalized norm is strictly above this. Finite; below 0 nothing
  /// goes. TAO -pth.
  double threshold = 0.1;
  /// Fewest channels kept in a layer, before the rounding. >= 0. TAO -nf.
  int64_t min_filters = 16;
  /// Layers whose own filters all stay; with them all layers that must keep the same ones. A node
  /// without a channel rule that is listed keeps what it reads whole. TAO -el.
  std::vector<std::string> excluded_layers;
  /// Reproduce TAO's code where it differs from its guide: the factor N of kL2 (decisions.md A13).
  bool tao_compat = false;
};

/// kInvalidArgument with every range that `options` break.
absl::Status Validate(const PruneOptions& options);

/// What became of one layer.
struct PrunedLayer {
  std::string name;
  int64_t channels_before = 0, channels_after = 0;
  /// The first layer of those that keep the same channels; its own name when it is alone.
  std::string group;
  /// Not up for pruning: excluded, a head, or bound to one of these.
  bool fixed = false;
};

/// A smaller model, and what was done.
struct PruneResult {
  /// The same layers by the same names, `training.pruned` set when anything went. Its graph has
  /// passed Check() and InferShapes().
  Model model;
  /// parameters_after / parameters_before.
  double ratio = 1;
  /// Scalars of all weights, those of batch normalization included.
  int64_t parameters_before = 0, parameters_after = 0;
  /// Of one image; absent when the graph leaves the input's size open.
  std::optional<int64_t> macs_before, macs_after;
  /// In the order of the graph.
  std::vector<PrunedLayer> layers;
  /// Excluded names that no node has, with the nearest one.
  std::vector<std::string> warnings;
};

/// Removes the filters whose L2 norm is small, as TAO's `prune` does: nothing but kernels is looked
/// at, layers that are added together keep the same channels, and every weight that held a removed
/// channel is cut. Heads and graph outputs stay as they are. `model` is not changed. A pure
/// function; seconds for a ResNet-18.
///
/// Fails with
/// * kInvalidArgument: the options break their ranges, or the graph contradicts itself;
/// * kUnimplemented, naming every node: a node without a channel rule reads a pruned layer, or
/// nodes
///   share weights that they would cut differently. Listing the node in excluded_layers helps.
///
/// Source: magnitude criterion of Molchanov et al., arXiv:1611.06440; TAO (reference
/// prune 1.0-1.15).
absl::StatusOr<PruneResult> Prune(const Model& model, const PruneOptions& options);

/// The least threshold with which Prune removes at least the part `removed` of the parameters, 0 to
/// 1; `options.threshold` is not looked at. Exact: it is one of the scores, and any smaller
/// threshold removes less. Costs about as much as one Prune.
///
/// kInvalidArgument for a part outside [0, 1]; kFailedPrecondition, with the most that can go, when
/// min_filters, granularity and exclusions do not allow that much; else as Prune.
absl::StatusOr<double> ThresholdForRatio(const Model& model, const PruneOptions& options,
                                         double removed);

}  // namespace trainyard
