#pragma once

#include <cstdint>
#include <optional>

#include "trainyard/spec/common/v1/training.pb.h"

namespace trainyard {

/// Soft-start annealing (TAO `soft_start_annealing_schedule`): exponential ramps.
struct LearningRateSchedule {
  double min_rate = 0, max_rate = 0;
  /// Fractions of the training, 0 < soft_start < annealing < 1.
  double soft_start = 0, annealing = 0;
};

enum class Regularizer { kNone, kL1, kL2 };

/// What a training does, whatever the network.
struct TrainingPlan {
  uint64_t seed = 42;
  int batch_size = 1;
  int epochs = 1;
  LearningRateSchedule learning_rate;
  double momentum = 0.9;
  Regularizer regularizer = Regularizer::kNone;
  double regularizer_weight = 0;
  /// A checkpoint after every k-th epoch, and after the last.
  int checkpoint_interval = 1;
  /// Loader threads; 0 = choose from the budget. Prefetched batches.
  int workers = 0;
  int max_queue_size = 20;
  int validation_period = 10;
  struct EarlyStopping {
    bool on_validation_loss = false;
    double min_delta = 0;
    int patience = 0;
  };
  std::optional<EarlyStopping> early_stopping;
  bool visualize = false;
  int visualize_images = 0;
};

/// Puts what a checked training_config says into the plan.
void FillTraining(const spec::common::v1::TrainingConfig& training, TrainingPlan& plan);
}  // namespace trainyard
