#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/weights/map_names.h"

namespace trainyard::weights {

/// What of a weight file came into a graph, by the names of layers (nodes), in the order of the
/// graph.
struct WeightMatch {
  /// As in MappedWeights.
  std::string backbone, naming;
  /// All weights came over.
  std::vector<std::string> loaded;
  /// There, but not fit, with the reason: "conv1: kernel is [64, 3, 7, 7], the file's
  /// 'conv1.weight' is [64, 1, 7, 7]". The layer keeps its fresh weights.
  std::vector<std::string> mismatched;
  /// Layers of the backbone that the file has nothing for.
  std::vector<std::string> missing;
  /// Tensors of the file that no layer takes, by their names there.
  std::vector<std::string> unused;
  /// What the user should know, a sentence each: how their network differs from ours.
  std::vector<std::string> notes;
  /// Numbers in the backbone's layers of the graph, and in those of them that were loaded.
  int64_t backbone_parameters = 0, loaded_parameters = 0;

  /// Of the backbone's parameters, 0 to 1.
  double Share() const;
  /// For a log line: "torchvision resnet18: 40 layers loaded (97.1 % of resnet18's weights), 0 of
  /// another shape, 8 not in the file, 2 tensors of it not used".
  std::string Summary() const;
  /// The summary and a line for each layer, tensor and note that it counts, for people.
  std::string Table() const;
};

/// Puts weights into the layers of their names where all shapes agree: a layer gets all of its
/// weights or none. A convolution's bias that the file lacks keeps its fresh value, which is 0.
/// Batch normalizations take scale, shift, mean and variance by the position at which their node
/// reads them, whatever the initializers are called. Layers behind the backbone are filled too
/// where the file has them under our names; they do not count in the share.
///
/// Values that are not finite, and variances below 0, are no weights: the layer is mismatched.
/// kInvalidArgument when the graph has no layer of the backbone; it is unchanged then.
absl::StatusOr<WeightMatch> ApplyWeights(const MappedWeights& mapped, graph::Graph& graph);

/// MapToBackbone, and ApplyWeights.
absl::StatusOr<WeightMatch> ApplyWeights(const NamedWeights& weights, absl::string_view backbone,
                                         graph::Graph& graph);

/// kInvalidArgument, saying what came and what did not, when less than half of the backbone's
/// parameters did: most probably the file is of another network. OK with `allow_less`.
absl::Status CheckMatched(const WeightMatch& match, bool allow_less);

}  // namespace trainyard::weights
