#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/networks/network.h"
#include "libs/training/checkpoints.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::training {

/// What a training begins with.
struct Start {
  Model model;
  /// Where it stands: what a checkpoint says, with this training's id and epochs; or the beginning.
  TrainState state;
  /// The checkpoint; "" when it starts from the beginning.
  std::string resumed_from;
  /// For the user: what was taken from where.
  std::vector<std::string> notes;
  /// What is probably not meant: checkpoints that were passed over, fields of the spec that have no
  /// effect, a resume that found nothing.
  std::vector<std::string> warnings;
};

/// Decides between the ways to begin: a checkpoint to go on from, else the spec's model with the
/// weights (or, pruned, the graph) of another, else fresh weights.
///
/// `resume_model` may name a results folder: then the newest checkpoint of this training (same
/// TrainingDigest, same initial model; the number of epochs may differ, and a warning says what that means)
/// is taken, and when there is none `resume_fallback`, or it starts from the beginning, and says
/// so. A file without training state continues as its graph with `initial_epoch`. Writes nothing.
///
/// A checkpoint keeps its graph, head and preprocessing; the spec's inference settings, data and
/// schedule hold from then on, and a warning names every other field that has no effect.
///
/// Fails as LoadModel, Network::Build and TransferWeights do, with the file in front;
/// kInvalidArgument when a checkpoint has another network, architecture, input or other classes
/// than the spec, with both; kFailedPrecondition when the results folder holds what this training
/// would destroy (CheckpointStore::CheckNothingIsLost).
absl::StatusOr<Start> DecideStart(const worker::v1::WorkerJob& job,
                                  const networks::Network& network, const std::string& key);

/// SHA-256 of a canonical spec without what tells where files lie: absolute paths in quotes count
/// as "/". So the same training in another folder has the same digest.
std::string SpecDigest(absl::string_view spec);

/// As SpecDigest, and also without the fields of these names, which do not change what a step computes
/// (SpecFields::not_of_the_weights): where checkpoints lie and how many there are, what is judged, how
/// data are loaded, what is resumed (a resumed training is the one that it goes on with), and the number
/// of epochs, which changes the learning rate and is compared by itself.
std::string TrainingDigest(absl::string_view spec,
                           absl::Span<const absl::string_view> not_of_the_weights);

}  // namespace trainyard::training
