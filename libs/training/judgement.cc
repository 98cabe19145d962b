#include "libs/training/judgement.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/tasks/metrics.h"
#include "libs/worker/outcome.h"

namespace trainyard::training {
namespace {

using model::v1::TrainState;

int Patience(const networks::TrainingPlan& plan) {
  return std::max(1, plan.early_stopping->patience);
}

bool Improves(const networks::TrainingPlan& plan, double monitored, const TrainState& state) {
  return !state.has_best_monitored() ||
         monitored + plan.early_stopping->min_delta < state.best_monitored();
}

}  // namespace

double EpochLoss(const TrainState& state) {
  return state.loss_sum() / static_cast<double>(std::max<int64_t>(1, state.loss_images()));
}

bool NoteJudged(const ValidationResult& result, TrainState& state) {
  state.set_validation_loss(result.loss);
  state.set_last_judged_epoch(state.epoch());
  state.clear_last_metrics();
  // The primary one first, by its contract.
  for (const trainyard::v1::Metric& metric : result.evaluation.evaluation->Metrics()) {
    *state.add_last_metrics() = metric;
  }
  if (state.best_epoch() > 0 && !tasks::IsBetter(state.last_metrics(0), state.best_metrics(0))) {
    return false;
  }
  state.set_best_epoch(state.epoch());
  *state.mutable_best_metrics() = state.last_metrics();
  return true;
}

void NoteMonitored(const networks::TrainingPlan& plan, double loss,
                   const std::optional<ValidationResult>& validation, TrainState& state) {
  if (!plan.early_stopping) return;
  if (plan.early_stopping->on_validation_loss) {
    if (!validation) return;
    loss = validation->loss;
  }
  if (Improves(plan, loss, state)) {
    state.set_has_best_monitored(true);
    state.set_best_monitored(loss);
    state.set_epochs_without_improvement(0);
  } else {
    state.set_epochs_without_improvement(state.epochs_without_improvement() + 1);
  }
}

bool StopsEarly(const networks::TrainingPlan& plan, const TrainState& state) {
  return plan.early_stopping && state.epochs_without_improvement() >= Patience(plan);
}

bool WillStopEarly(const networks::TrainingPlan& plan, const TrainState& state) {
  if (!plan.early_stopping || plan.early_stopping->on_validation_loss) return false;
  if (Improves(plan, EpochLoss(state), state)) return false;
  return state.epochs_without_improvement() + 1 >= Patience(plan);
}

std::string AddJudgement(const TrainState& state, worker::Finished& finished) {
  if (state.best_epoch() == 0) return "";
  for (const trainyard::v1::Metric& metric : state.best_metrics()) {
    *finished.add_metrics() = metric;
  }
  *finished.add_metrics() = worker::MakeMetric("best_epoch", state.best_epoch(), "epochs");
  for (const trainyard::v1::Metric& metric : state.last_metrics()) {
    if (!metric.class_name().empty()) continue;
    *finished.add_metrics() =
        worker::MakeMetric(absl::StrCat("last_", metric.name()), metric.value(), metric.unit(),
                           metric.higher_is_better());
  }
  const trainyard::v1::Metric& best = state.best_metrics(0);
  return absl::StrFormat(
      "'best' is epoch %d, chosen by its %s (%.4g) on the validation images themselves, so that "
      "number flatters it; epoch %d, the last one judged, has %s %.4g",
      state.best_epoch(), best.name(), best.value(), state.last_judged_epoch(), best.name(),
      state.last_metrics(0).value());
}

}  // namespace trainyard::training
