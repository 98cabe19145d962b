#include "libs/networks/classification/classification_plan.h"

#include "libs/networks/classification/classification_builder.h"

namespace trainyard::networks {
namespace {

using spec::classification::v1::LRConfig;
using spec::classification::v1::OptimizerConfig;
using spec::classification::v1::TrainConfig;

OptimizerPlan OptimizerOf(const OptimizerConfig& config) {
  if (config.has_adam()) {
    return AdamPlan{.beta1 = config.adam().beta_1(),
                    .beta2 = config.adam().beta_2(),
                    .epsilon = config.adam().epsilon(),
                    .decay = config.adam().decay()};
  }
  if (config.has_rmsprop()) {
    return RmspropPlan{.rho = config.rmsprop().rho(),
                       .epsilon = config.rmsprop().epsilon(),
                       .decay = config.rmsprop().decay()};
  }
  return SgdPlan{.momentum = config.sgd().momentum(),
                 .nesterov = config.sgd().nesterov(),
                 .decay = config.sgd().decay()};
}

Schedule ScheduleOf(const LRConfig& config) {
  if (config.has_soft_anneal()) {
    const auto& points = config.soft_anneal().annealing_points();
    return SoftAnnealSchedule{.rate = config.soft_anneal().learning_rate(),
                              .soft_start = config.soft_anneal().soft_start(),
                              .annealing_points = {points.begin(), points.end()},
                              .annealing_divider = config.soft_anneal().annealing_divider()};
  }
  if (config.has_cosine()) {
    return CosineSchedule{.rate = config.cosine().learning_rate(),
                          .min_rate_ratio = config.cosine().min_lr_ratio(),
                          .soft_start = config.cosine().soft_start()};
  }
  return StepSchedule{.rate = config.step().learning_rate(),
                      .step_size = static_cast<double>(config.step().step_size()),
                      .gamma = config.step().gamma()};
}

Regularizer RegularizerOf(const std::string& type) {
  if (type == "L1") return Regularizer::kL1;
  return type == "L2" ? Regularizer::kL2 : Regularizer::kNone;
}

}  // namespace

TrainingPlan TrainingPlanOf(const TrainConfig& config) {
  return {.seed = config.random_seed(),
          .batch_size = static_cast<int>(config.batch_size_per_gpu()),
          .epochs = static_cast<int>(config.n_epochs()),
          .learning_rate = ScheduleOf(config.lr_config()),
          .optimizer = OptimizerOf(config.optimizer()),
          .regularizer = RegularizerOf(config.reg_config().type()),
          .regularizer_weight = config.reg_config().weight_decay(),
          .backbone_rate_scale = config.has_backbone_lr_scale() ? config.backbone_lr_scale() : 1,
          .head_layers = {kClassifierLogits},
          .workers = static_cast<int>(config.n_workers()),
          .validation_period = 1,
          .visualize = config.visualizer().enabled(),
          .visualize_images = static_cast<int>(config.visualizer().num_images())};
}

}  // namespace trainyard::networks
