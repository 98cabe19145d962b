#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/networks/network.h"
#include "trainyard/model/v1/train_state.pb.h"

namespace trainyard::training {

using model::v1::TrainState;

/// A checkpoint as it lies in a file. `state` is absent in models that no training left (pruned
/// ones).
struct Checkpoint {
  Model model;
  std::optional<TrainState> state;
};

/// A checkpoint and where it was found.
struct FoundCheckpoint {
  std::string path;
  Checkpoint checkpoint;
  /// Newer ones that could not be read, and why.
  std::vector<absl::Status> passed_over;
};

/// The checkpoints of one training in its results folder:
///
///     <results>/weights/<prefix>_epoch_007.tlt    after the 7th epoch
///     <results>/weights/<prefix>_interrupted.tlt  in the middle of one, after a stop
///     <results>/weights/<prefix>_best.tlt         the epoch with the best primary metric
///
/// Prefix and infix are the network's (TrainingFiles), as TAO has them.
/// Files are whole or not there. The interrupted one goes when an epoch is saved. Equal states give
/// equal bytes. Not thread-safe.
class CheckpointStore {
 public:
  /// `key` seals and opens; it never reaches a message. Nothing is made yet.
  CheckpointStore(const std::string& results_dir, const ModelRecord& record, std::string key);

  /// Fails with kFailedPrecondition when a training that begins with `start`, the state of the file
  /// `goes_on_from` ("" = from the beginning), would remove or replace checkpoints that another
  /// training left, or `initial_model` ("" = none); the message says which there are and what to
  /// do. Of another training are those that differ in training_id, epochs or mixed, and those that
  /// do not open with the key; what a training goes on from within the folder, and what is older,
  /// is its own past. Reads the files that could be in the way; changes nothing.
  absl::Status CheckNothingIsLost(const TrainState& start, const std::string& goes_on_from,
                                  const std::string& initial_model) const;
  /// Makes the folder, and removes what a worker that was killed while it wrote left in it. Only
  /// for the one that holds the folder's lock, as all that writes.
  absl::Status Open() const;

  /// Saves the state at the end of epoch `state.epoch`. Returns the path.
  absl::StatusOr<std::string> SaveEpoch(const Model& model, const TrainState& state);
  /// Saves the state between any two steps. Returns the path.
  absl::StatusOr<std::string> SaveInterrupted(const Model& model, const TrainState& state);
  /// Makes `best` the checkpoint of `epoch`: a second name of its file when there is one, else a
  /// file of its own.
  absl::Status SaveBest(const Model& model, const TrainState& state);

  std::string EpochPath(int epoch) const;
  std::string InterruptedPath() const;
  std::string BestPath() const;

  /// The newest checkpoint of the training `training_id` that can be read; nothing when there is
  /// none. Fails only when the key is wrong or the folder cannot be read.
  absl::StatusOr<std::optional<FoundCheckpoint>> FindNewest(const std::string& training_id) const;

  /// Removes every checkpoint of these names, which CheckNothingIsLost has allowed; returns how
  /// many.
  absl::StatusOr<int> RemoveAll() const;
  /// Gives the best checkpoint its epoch's name too when that has no file: it goes on from there,
  /// and a better one will take the name `best`.
  absl::Status KeepBest(int epoch) const;

 private:
  /// `best`, then the epochs in their order, then `interrupted`. Empty when there is no folder.
  absl::StatusOr<std::vector<std::string>> Files() const;
  absl::Status CheckFile(const std::string& path, const TrainState& start, bool goes_on) const;

  bool IsEpoch(const std::string& name) const;

  std::string folder_, prefix_, epoch_infix_;
  /// For messages.
  std::string epochs_field_;
  std::string key_;
};

/// Reads a `.tlt`. Fails as LoadModel does, and with kDataLoss when the training state is damaged.
absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path, const std::string& key);

}  // namespace trainyard::training
