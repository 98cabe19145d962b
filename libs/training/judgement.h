#pragma once

#include <optional>
#include <string>

#include "libs/networks/network.h"
#include "libs/training/validation.h"
#include "libs/worker/journal.h"
#include "trainyard/model/v1/train_state.pb.h"

namespace trainyard::training {

/// What a training's state keeps of its epochs: the best one, the last one that was judged, and
/// what early stopping watches. Pure functions of their arguments.

/// Mean loss of the epoch in hand, or of the one before when none of its steps is done.
double EpochLoss(const model::v1::TrainState& state);

/// Takes down what epoch `state.epoch` measured. Returns whether it is the best so far.
bool NoteJudged(const ValidationResult& result, model::v1::TrainState& state);

/// Takes down what is watched, after an epoch of this loss and, when it was judged, validation.
void NoteMonitored(const networks::TrainingPlan& plan, double loss,
                   const std::optional<ValidationResult>& validation, model::v1::TrainState& state);

/// Whether what was taken down ends the training.
bool StopsEarly(const networks::TrainingPlan& plan, const model::v1::TrainState& state);

/// Whether the epoch that just ended, of which nothing is taken down yet, will end it: then it has
/// to be judged. What is watched on validation data is judged in every epoch.
bool WillStopEarly(const networks::TrainingPlan& plan, const model::v1::TrainState& state);

/// Adds the metrics of the best epoch, best_epoch and those of the last one that was judged
/// (`last_` and their names), and returns what is to be known of the two; "" when no epoch was judged.
std::string AddJudgement(const model::v1::TrainState& state, worker::Finished& finished);

}  // namespace trainyard::training
