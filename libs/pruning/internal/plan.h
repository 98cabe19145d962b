#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/pruning/channels.h"
#include "libs/pruning/prune.h"

namespace trainyard::pruning::internal {

/// For each layer the channels that it keeps, ascending.
using Kept = std::vector<std::vector<int64_t>>;

/// The channels of a graph and the score that decides on each; asked with several thresholds. Holds
/// references: graph and options outlive it.
class Plan {
 public:
  /// kInvalidArgument, naming node and weights, for weights that are not finite; else as
  /// ChannelMap::Trace and FilterNorms.
  static absl::StatusOr<Plan> Make(const graph::Graph& graph, const PruneOptions& options);

  const ChannelMap& map() const { return map_; }
  absl::StatusOr<Kept> Select(double threshold) const;
  /// Parameters that are left, without making anything.
  absl::StatusOr<int64_t> ParametersAfter(const Kept& kept) const;
  /// The part of the parameters that goes, 0 to 1.
  absl::StatusOr<double> RemovedAt(double threshold) const;
  /// Every score once, ascending: the thresholds at which something changes.
  std::vector<float> Thresholds() const;
  /// As trainyard::pruning::ThresholdForRatio, for a part above 0.
  absl::StatusOr<double> ThresholdFor(double removed) const;

 private:
  struct Group {
    std::vector<int> members;
    /// One score a channel; empty when the group is fixed.
    std::vector<float> scores;
  };

  Plan(const graph::Graph& graph, ChannelMap map, const PruneOptions& options);
  absl::Status CheckWeights() const;
  absl::Status Score();
  absl::StatusOr<std::vector<float>> ScoreOf(const ScoredLayer& layer) const;

  const graph::Graph& graph_;
  ChannelMap map_;
  const PruneOptions& options_;
  std::vector<Group> groups_;
  /// Shapes of the initializers, so that counting copies none.
  std::map<std::string, Shape> shapes_;
};

}  // namespace trainyard::pruning::internal
