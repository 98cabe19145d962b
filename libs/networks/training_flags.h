#pragma once

#include <set>
#include <string>

#include "libs/graph/graph.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

/// What a spec says of the layers of a fresh graph.
struct LayerChoices {
  /// Operators whose kernels the regularizer is for: "Conv", "Gemm".
  std::set<std::string> regularized_ops;
  /// Convolutions whose weights and biases do not learn, by node name; those that the graph lacks are
  /// passed over.
  std::set<std::string> frozen_convolutions;
  /// Freeze the statistics and the affine parameters of all batch normalizations.
  bool freezes_batch_norm = false;
};

/// Adds that to `flags`, in the graph's order.
void AddTrainingFlags(const Graph& graph, const LayerChoices& choices,
                      model::v1::TrainingFlags& flags);

}  // namespace trainyard
