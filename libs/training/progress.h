#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/networks/network.h"
#include "libs/training/checkpoints.h"
#include "libs/training/executor.h"
#include "libs/training/optimizer.h"
#include "libs/training/validation.h"
#include "libs/worker/runtime.h"

namespace trainyard::training {

/// Where a training stands: owns all that a checkpoint is made of (counters, and by its parts the
/// weights, the optimizer's slots and the graph) and the one lock that guards it.
///
/// One thread trains and alone changes any of it, by the calls below. While it computes a step or a
/// validation, a second thread of Guarded saves the state before that as soon as a stop is requested.
class Progress {
 public:
  /// Outlive the progress; only the training thread, through it, changes them.
  struct Parts {
    worker::Context& context;
    const networks::TrainingPlan& plan;
    Model& model;
    Executor& executor;
    Optimizer& optimizer;
    CheckpointStore& store;
  };

  /// Stands where `state` does, the state of the file `resumed_from` ("" = from the beginning): puts
  /// its slots into the optimizer and finds its place among the steps of today's data. `warnings`
  /// receives what makes the resume other than exact. kDataLoss for slots of another size;
  /// kInvalidArgument for a step that an epoch has not.
  static absl::StatusOr<std::unique_ptr<Progress>> Restore(const Parts& parts, TrainState state,
                                                           const std::string& resumed_from,
                                                           int64_t steps_per_epoch,
                                                           std::vector<std::string>& warnings);

  /// For the training thread. Its slots are in the optimizer.
  const TrainState& state() const { return state_; }
  /// The learning rate of the step that comes next.
  double Rate() const;
  bool IsCheckpointDue() const;
  /// Whether the epoch that just ended is to be judged, when there is validation data.
  bool IsValidationDue() const;
  /// Whether the training ends with the epoch that just ended.
  bool IsLastEpoch() const;

  /// Runs `train`; meanwhile a second thread waits for a stop request and then saves. Returns what
  /// `train` does; when that was kCancelled, kCancelled with the place and the file, or why it could
  /// not be saved.
  absl::Status Guarded(const std::function<absl::Status()>& train);

  /// Ends a step: changes the weights by the gradients that it left, and counts it. Returns its loss,
  /// regularization included. kCancelled when a stop was requested meanwhile: the step is given up.
  absl::StatusOr<double> Step(double data_loss, int64_t images);
  /// Ends an epoch behind its last step.
  void EndEpoch();
  /// Takes down what the epoch that ended came to, with the loss of its steps, and writes the
  /// checkpoints that are due.
  absl::Status Judge(double loss, const std::optional<ValidationResult>& validation);
  /// Writes the checkpoint of the epoch.
  absl::Status SaveEpoch();
  /// Makes the epoch the best one's file.
  absl::Status SaveBest();

 private:
  Progress(const Parts& parts, TrainState state, int64_t steps_per_epoch)
      : parts_(parts), steps_per_epoch_(steps_per_epoch), state_(std::move(state)) {
    parts_.executor.CopyStatistics(statistics_);
  }
  absl::Status RestoreSlots(const std::string& resumed_from);
  absl::Status RestorePlace(const std::string& resumed_from, std::vector<std::string>& warnings);
  void RestoreBest(std::vector<std::string>& warnings);

  void SaveOnStop();
  absl::Status StoppedStatus() const;
  // These need `mutex_`.
  absl::Status SaveInterrupted();
  absl::Status WriteEpoch();
  absl::Status WriteBest();
  absl::StatusOr<TrainState> Snapshot();
  absl::Status CheckWeights() const;
  absl::Status Announce(const std::string& path);

  const Parts parts_;
  const int64_t steps_per_epoch_;

  /// Guards all below, the parameters, the slots and the graph.
  std::mutex mutex_;
  std::condition_variable_any changed_;
  TrainState state_;
  /// The statistics at the last step's end: a step in hand has changed the executor's own.
  std::vector<at::Tensor> statistics_;
  /// The step of the newest checkpoint, -1 = none, and its file.
  int64_t saved_step_ = -1;
  std::string saved_path_;
  bool saved_judged_ = false;
  bool ended_ = false;
  absl::Status kept_;
};

}  // namespace trainyard::training
