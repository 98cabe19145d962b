#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "trainyard/spec/common/v1/training.pb.h"

namespace trainyard::networks {

/// Soft-start annealing (TAO `soft_start_annealing_schedule`): exponential ramps.
struct SoftStartSchedule {
  double min_rate = 0, max_rate = 0;
  /// Fractions of the training, 0 < soft_start < annealing < 1.
  double soft_start = 0, annealing = 0;
};

/// Steps down (TAO `step` of classification): the rate is multiplied by `gamma` each time that another
/// `step_size` per cent of the training are done.
struct StepSchedule {
  double rate = 0;
  /// Per cent of the training. (0, 100].
  double step_size = 0;
  /// [0, 1].
  double gamma = 0;
};

/// A linear rise, then divisions (TAO `soft_anneal` of classification).
struct SoftAnnealSchedule {
  double rate = 0;
  /// The fraction of the training in which the rate rises from kSoftAnnealStart. [0, 1), below the first point.
  double soft_start = 0;
  /// Fractions of the training, ascending: behind each the rate is divided once more.
  std::vector<double> annealing_points;
  /// > 0.
  double annealing_divider = 10;
};
/// Where a SoftAnnealSchedule begins, whatever its rate.
inline constexpr double kSoftAnnealStart = 3e-4;

/// A linear rise, then half a cosine (TAO `cosine` of classification).
struct CosineSchedule {
  double rate = 0;
  /// The rise begins at, and the cosine falls towards, this share of the rate. [0, 1].
  double min_rate_ratio = 0;
  /// The fraction of the training in which the rate rises. [0, 1).
  double soft_start = 0;
};

/// The learning rate over a training (libs/training/schedule.h).
using Schedule = std::variant<SoftStartSchedule, StepSchedule, SoftAnnealSchedule, CosineSchedule>;

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
  Schedule learning_rate;
  OptimizerPlan optimizer;
  /// L1 adds weight * sum |k| to the loss, L2 weight * sum k^2 (no half), over regularized parameters.
  Regularizer regularizer = Regularizer::kNone;
  double regularizer_weight = 0;
  /// The backbone's share of the learning rate, for training on from a start that is good already
  /// (Howard and Ruder, arXiv:1801.06146, discriminative fine-tuning). [0, 1].
  double backbone_rate_scale = 1;
  /// The layers that are no part of the backbone, by node name: they learn at the whole rate.
  std::vector<std::string> head_layers;
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

}  // namespace trainyard::networks
