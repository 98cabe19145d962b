#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "absl/types/span.h"
#include "libs/graph/graph.h"
#include "libs/layers/backbone.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// What a spec says of the layers of a fresh graph.
struct LayerChoices {
  /// Operators whose kernels the regularizer is for: "Conv", "Gemm".
  std::set<std::string> regularized_ops;
  /// Whether these include depthwise convolutions, whose few weights a channel decay mostly harms.
  bool regularizes_depthwise = true;
  /// Convolutions whose weights and biases do not learn, by node name; those that the graph lacks are
  /// passed over.
  std::set<std::string> frozen_convolutions;
  /// Freeze the statistics and the affine parameters of all batch normalizations.
  bool freezes_batch_norm = false;
};

/// The convolutions of the blocks that freeze_blocks names, by node name. Ids that the backbone lacks
/// are passed over: the specs' checks have refused them.
std::set<std::string> ConvolutionsOf(absl::Span<const layers::BackboneBlock> blocks,
                                     absl::Span<const uint32_t> ids);

/// Adds that to `flags`, in the graph's order.
void AddTrainingFlags(const graph::Graph& graph, const LayerChoices& choices,
                      model::v1::TrainingFlags& flags);

}  // namespace trainyard::networks
