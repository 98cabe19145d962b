#include "libs/networks/training_plan.h"

namespace trainyard::networks {
namespace {

Regularizer RegularizerOf(const spec::common::v1::RegularizerConfig& config) {
  switch (config.type()) {
    case spec::common::v1::RegularizerConfig::L1:
      return Regularizer::kL1;
    case spec::common::v1::RegularizerConfig::L2:
      return Regularizer::kL2;
    default:
      return Regularizer::kNone;
  }
}

std::optional<TrainingPlan::EarlyStopping> EarlyStoppingOf(
    const spec::common::v1::TrainingConfig& training) {
  if (!training.has_early_stopping()) return std::nullopt;
  const auto& config = training.early_stopping();
  return TrainingPlan::EarlyStopping{.on_validation_loss = config.monitor() != "loss",
                                     .min_delta = config.min_delta(),
                                     .patience = static_cast<int>(config.patience())};
}

}  // namespace

void FillTraining(const spec::common::v1::TrainingConfig& training, TrainingPlan& plan) {
  const auto& rate = training.learning_rate().soft_start_annealing_schedule();
  plan.batch_size = static_cast<int>(training.batch_size_per_gpu());
  plan.epochs = static_cast<int>(training.num_epochs());
  plan.learning_rate = SoftStartSchedule{.min_rate = rate.min_learning_rate(),
                                         .max_rate = rate.max_learning_rate(),
                                         .soft_start = rate.soft_start(),
                                         .annealing = rate.annealing()};
  plan.regularizer = RegularizerOf(training.regularizer());
  plan.regularizer_weight = training.regularizer().weight();
  if (training.checkpoint_interval() > 0) {
    plan.checkpoint_interval = static_cast<int>(training.checkpoint_interval());
  }
  plan.workers = static_cast<int>(training.n_workers());
  if (training.max_queue_size() > 0) {
    plan.max_queue_size = static_cast<int>(training.max_queue_size());
  }
  plan.early_stopping = EarlyStoppingOf(training);
  plan.visualize = training.visualizer().enabled();
  plan.visualize_images = static_cast<int>(training.visualizer().num_images());
}

}  // namespace trainyard::networks
