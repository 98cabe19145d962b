#include "libs/spec/common/training_config.h"

#include <string>

#include "libs/spec/defaults.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec::internal {
namespace {

using spec::common::v1::EarlyStopping;
using spec::common::v1::LearningRateConfig;
using spec::common::v1::RegularizerConfig;
using spec::common::v1::TrainingConfig;

constexpr char kPath[] = "training_config";

void CheckLearningRate(const TrainingConfig& config, FieldCheck* check) {
  const std::string path = "training_config.learning_rate";
  const LearningRateConfig& rate = config.learning_rate();
  if (rate.has_soft_start_cosine_annealing_schedule()) return;  // NotOfferedIn has said it
  if (!rate.has_soft_start_annealing_schedule()) {
    return check->Missing(
        config.has_learning_rate() ? path + ".soft_start_annealing_schedule" : path,
        "soft_start_annealing_schedule { ... }");
  }
  const auto& schedule = rate.soft_start_annealing_schedule();
  const std::string prefix = path + ".soft_start_annealing_schedule";
  check->Number(schedule, prefix, "min_learning_rate", kPositive, Presence::kRequired);
  check->Number(schedule, prefix, "max_learning_rate", kPositive, Presence::kRequired);
  check->Number(schedule, prefix, "soft_start", kOpenUnit, Presence::kRequired);
  check->Number(schedule, prefix, "annealing", kOpenUnit, Presence::kRequired);
  if (schedule.has_min_learning_rate() && schedule.has_max_learning_rate() &&
      schedule.min_learning_rate() > schedule.max_learning_rate()) {
    check->Add(prefix + ".min_learning_rate",
               "is %g; expected at most max_learning_rate, which is %g",
               schedule.min_learning_rate(), schedule.max_learning_rate());
  }
  if (schedule.has_soft_start() && schedule.has_annealing() &&
      schedule.soft_start() >= schedule.annealing()) {
    check->Add(prefix + ".soft_start", "is %g; expected below annealing, which is %g",
               schedule.soft_start(), schedule.annealing());
  }
}

void CheckEarlyStopping(const EarlyStopping& stopping, const TrainingSurroundings& surroundings,
                        FieldCheck* check) {
  const std::string path = "training_config.early_stopping";
  if (check->Text(stopping, path, "monitor", "loss, validation_loss or val_loss")) {
    check->Choice(stopping, path, "monitor", {"loss", "validation_loss", "val_loss"});
  }
  check->Number(stopping, path, "min_delta", kNotNegative);
  check->Number(stopping, path, "patience", kCountOrZero);
  if (stopping.monitor() != "validation_loss" && stopping.monitor() != "val_loss") return;
  if (!surroundings.has_validation_data) {
    check->Add(path + ".monitor", "is \"%s\"; expected validation data in dataset_config for it",
               stopping.monitor());
  }
  if (surroundings.validation_period != 1) {
    check->Add(path + ".monitor",
               "is \"%s\"; expected eval_config.validation_period_during_training to be 1 for it",
               stopping.monitor());
  }
}

}  // namespace

void CheckTrainingConfig(const TrainingConfig& config, const TrainingSurroundings& surroundings,
                         FieldCheck* check) {
  check->Number(config, kPath, "batch_size_per_gpu", kCount, Presence::kRequired);
  check->Number(config, kPath, "num_epochs", kCount, Presence::kRequired);
  check->Number(config, kPath, "checkpoint_interval", kCountOrZero);
  check->Number(config, kPath, "max_queue_size", kCountOrZero);
  check->Number(config, kPath, "n_workers", {.least = 0, .most = 1024});
  CheckLearningRate(config, check);
  const std::string regularizer = JoinField(kPath, "regularizer");
  if (!config.has_regularizer()) {
    check->Missing(regularizer, "regularizer { type: ... weight: ... }; NO_REG for none");
  } else if (config.regularizer().type() != RegularizerConfig::NO_REG) {
    check->Number(config.regularizer(), regularizer, "weight", kOpenUnit, Presence::kRequired);
  }
  if (config.has_early_stopping()) CheckEarlyStopping(config.early_stopping(), surroundings, check);
  if (config.has_visualizer()) {
    check->Number(config.visualizer(), JoinField(kPath, "visualizer"), "num_images", kCountOrZero);
  }
}

void ApplyTrainingDefaults(TrainingConfig* config) {
  TY_DEFAULT_FOR_ZERO(config, checkpoint_interval, 1);
  TY_DEFAULT(config, enable_qat, false);
  TY_DEFAULT_FOR_ZERO(config, max_queue_size, 20);
  TY_DEFAULT(config, n_workers, 0);
  if (config->has_regularizer()) {
    TY_DEFAULT(config->mutable_regularizer(), type, RegularizerConfig::NO_REG);
    TY_DEFAULT(config->mutable_regularizer(), weight, 0.0f);
  }
  if (config->has_early_stopping()) {
    TY_DEFAULT(config->mutable_early_stopping(), min_delta, 0.0f);
    TY_DEFAULT(config->mutable_early_stopping(), patience, 0);
  }
  if (config->has_visualizer()) {
    TY_DEFAULT(config->mutable_visualizer(), enabled, false);
    TY_DEFAULT(config->mutable_visualizer(), num_images, 0);
  }
}

}  // namespace trainyard::spec::internal
