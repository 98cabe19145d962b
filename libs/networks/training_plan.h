#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "trainyard/spec/common/v1/training.pb.h"

namespace trainyard {

/// Soft-start annealing (TAO `soft_start_annealing_schedule`): exponential ramps.
struct LearningRateSchedule {
  double min_rate = 0, max_rate = 0;
  /// Fractions of the training, 0 < soft_start < annealing < 1.
  double soft_start = 0, annealing = 0;
};

// Optimizers, with the formulas and names of Keras (libs/training/optimizer.h). `decay` >= 0 divides the
// rate of each step by 1 + decay * steps done before it.

/// Stochastic gradient descent.
struct SgdPlan {
  /// [0, 1).
  double momentum = 0.9;
  bool nesterov = false;
  double decay = 0;
};

struct AdamPlan {
  /// [0, 1).
  double beta1 = 0.9, beta2 = 0.999;
  /// > 0.
  double epsilon = 1e-7;
  double decay = 0;
};

struct RmspropPlan {
  /// [0, 1).
  double rho = 0.9, momentum = 0;
  /// > 0.
  double epsilon = 1e-7;
  double decay = 0;
};

using OptimizerPlan = std::variant<SgdPlan, AdamPlan, RmspropPlan>;

enum class Regularizer { kNone, kL1, kL2 };

/// What a training does, whatever the network.
struct TrainingPlan {
  uint64_t seed = 42;
  int batch_size = 1;
  int epochs = 1;
  LearningRateSchedule learning_rate;
  OptimizerPlan optimizer;
  /// L1 adds weight * sum |k| to the loss, L2 weight * sum k^2 (no half), over regularized parameters.
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
