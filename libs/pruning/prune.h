#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/model/model.h"
#include "libs/pruning/scores.h"

namespace trainyard::pruning {

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
  /// Fewest channels kept in a layer, before the rounding. >= 0; 0 keeps one, too. TAO -nf.
  int64_t min_filters = 16;
  /// Layers whose own filters all stay; with them all layers that must keep the same ones. A node
  /// without a channel rule keeps what it reads whole, and listed here without a word. TAO -el.
  std::vector<std::string> excluded_layers;
  /// Reproduce TAO's code where it differs from its guide: the factor N of kL2.
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
  /// What the user should hear, a sentence or two each: excluded names that no node has, with the
  /// nearest one; that hardly anything or nearly everything went, and which threshold to take;
  /// layers that stay whole because a node that reads them has no channel rule; what loading
  /// changed in the graph.
  std::vector<std::string> warnings;
};

/// Removes the filters whose L2 norm is small, as TAO's `prune` does: nothing but kernels is looked
/// at, layers that are added together keep the same channels, and every weight that held a removed
/// channel is cut. Heads and graph outputs stay as they are. `model` is not changed. A pure
/// function; seconds for a ResNet-18.
///
/// Fails with
/// * kInvalidArgument: the options break their ranges, the graph contradicts itself, or weights are
///   not finite, naming node and weights;
/// * kUnimplemented: the weights of a layer are not f32, naming it.
///
/// Source: magnitude criterion of Molchanov et al., arXiv:1611.06440; TAO prune.
absl::StatusOr<PruneResult> Prune(const Model& model, const PruneOptions& options);

/// The least threshold with which Prune removes at least the part `removed` of the parameters, 0 to
/// 1; `options.threshold` is not looked at. Exact: it is one of the scores, and any smaller
/// threshold removes less. Costs about as much as one Prune.
///
/// kInvalidArgument for a part outside [0, 1]; kFailedPrecondition, with the most that can go, when
/// min_filters, granularity and exclusions do not allow that much; else as Prune.
absl::StatusOr<double> ThresholdForRatio(const Model& model, const PruneOptions& options,
                                         double removed);

}  // namespace trainyard::pruning
