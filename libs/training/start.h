#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/models/network.h"
#include "libs/training/checkpoints.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::training {

/// What a training begins with.
struct Start {
  Model model;
  /// Set when it goes on where a checkpoint ended.
  std::optional<TrainState> state;
  /// See TrainState.training_id.
  std::string training_id;
  /// The checkpoint; "" when it starts from the beginning.
  std::string resumed_from;
  /// 0-based epoch to begin with when there is no `state`.
  int first_epoch = 0;
  /// For the user: what was taken from where, what was passed over.
  std::vector<std::string> notes;
};

/// Decides between the ways to begin (decisions.md A18): a checkpoint to go on from, else the spec's
/// model with the weights (or, pruned, the graph) of another, else fresh weights.
///
/// `resume_model` may name a results folder: then the newest checkpoint of this very training (same
/// spec apart from paths, same initial model) is taken, and when there is none it starts from the
/// beginning. A file without training state continues as its graph with `initial_epoch`.
///
/// Fails as LoadModel, Network::Build and TransferWeights do, with the file in front; kInvalidArgument
/// when a checkpoint is of another network or has other classes than the spec.
absl::StatusOr<Start> DecideStart(const worker::v1::WorkerJob& job, const Network& network,
                                  const std::string& key);

/// SHA-256 of a canonical spec without what tells where files lie: absolute paths in quotes count as
/// "/". So the same training in another folder has the same digest.
std::string SpecDigest(absl::string_view spec);

}  // namespace trainyard::training
