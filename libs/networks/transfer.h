#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/model/model.h"

namespace trainyard::networks {

/// What a transfer did, by the names of layers (nodes), in the order of the graph.
struct TransferReport {
  /// All weights came over.
  std::vector<std::string> loaded;
  /// There, but of another shape or type, with both: "conv_0: f32 [24, 128, 3, 3], the file has
  /// f32 [18, 128, 3, 3]". The layer keeps its fresh weights.
  std::vector<std::string> mismatched;
  /// Not in the file.
  std::vector<std::string> missing;
  /// Heads of other classes, of which those that both name came over (TakeClassRows).
  std::vector<std::string> grown;
  /// What the user should know before the training begins: other names of classes; with a graph of
  /// the file's own, the spec's fields that have no effect (OverriddenFields).
  std::vector<std::string> warnings;
  /// Whether the file is a pruned model, so that its own graph replaced the fresh one.
  bool took_graph = false;
  /// Whether the file serves as a backbone: one alone (kBackboneNetwork), or a model of another
  /// network. The layers of `missing` are those that a backbone does not have then, heads mostly.
  bool from_backbone = false;
  /// Layers of such a file that have weights, without the heads of another network; 0 for other
  /// files.
  int64_t backbone_layers = 0;
  /// What Share() counts: numbers in the layers that came over, and in all that could have come.
  /// These are those of the fresh model, without its heads, which other classes change; of a
  /// backbone no more than the file has, for what stands between it and the heads is not in it, nor
  /// more than the model has, for detectors leave the last layers of MobileNets out.
  int64_t loaded_parameters = 0, expected_parameters = 0;

  /// Of the backbone's parameters (of the same network: of all but heads), what came over: 0 to 1.
  double Share() const;
  /// For a log line: "42 layers loaded, 2 of another shape, 1 not in the file"; of a backbone "42
  /// of 42 layers of the backbone loaded, 0 of another shape, 3 layers of the network not in the
  /// file"; or "pruned model: its own graph with 75 layers".
  std::string Summary() const;
};

/// Starts `to`, a model fresh from its spec, with the weights of `from`: layer
/// by layer, by name, where all shapes agree. Lineage comes along.
///
/// `from` is of the same network, or a backbone alone, which serves all networks, or of another
/// network that we know, whose backbone is taken. The last two are never taken for pruned models.
///
/// Of a head with other classes the rows of the classes that both name are taken: a model to which classes
/// are added puts out for the old ones what it did before, until it is trained.
///
/// A pruned `from` brings its own graph, head and training flags instead; classes, preprocessing
/// and inference settings stay those of `to`. It counts as pruned when its record says so, or when
/// it has the same layers as `to` but a convolution with another one behind it has another number
/// of filters (TAO looks at the backbone alone; here the expansion counts as well).
///
/// kInvalidArgument, with both values, when a pruned `from` disagrees in the architecture, the
/// number of classes, the boxes of a cell or the size of the input, which its graph fixes; also
/// when it is of another network, and for a network that we do not know. `to` is unchanged then. A model of which nothing fits is no error: see
/// the report.
///
/// Source: TAO's loading of pretrained weights.
absl::StatusOr<TransferReport> TransferWeights(const Model& from, Model& to);

/// kInvalidArgument when less than half of what could have come did (TransferReport::Share): most
/// probably the file is of another architecture, and the training would be one from scratch. Says
/// the counts, the first five reasons, and how to go on anyway. OK with `allow_few`.
absl::Status CheckEnough(const TransferReport& report, bool allow_few);

}  // namespace trainyard::networks
