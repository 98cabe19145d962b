#include "libs/training/progress.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/isfinite.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "libs/training/judgement.h"
#include "libs/training/schedule.h"
#include "libs/training/torch_status.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {
namespace {

constexpr absl::string_view kMomentum = "momentum";

// A slot of a checkpoint, of its general form or of the older one that holds momentum alone.
struct KeptSlot {
  absl::string_view name, kind, values;
};

std::vector<KeptSlot> SlotsOf(const TrainState& state) {
  std::vector<KeptSlot> slots;
  for (const TrainState::Momentum& one : state.momentum()) {
    slots.push_back({one.name(), kMomentum, one.values()});
  }
  for (const TrainState::Slot& one : state.slots()) {
    slots.push_back({one.name(), one.kind(), one.values()});
  }
  return slots;
}

void AddSlot(const Slot& slot, const Tensor& values, TrainState& state) {
  const auto size = static_cast<size_t>(values.size_bytes());
  if (slot.kind == kMomentum) {
    TrainState::Momentum& momentum = *state.add_momentum();
    momentum.set_name(slot.name);
    momentum.set_values(values.raw(), size);
    return;
  }
  TrainState::Slot& kept = *state.add_slots();
  kept.set_name(slot.name);
  kept.set_kind(slot.kind);
  kept.set_values(values.raw(), size);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Progress>> Progress::Restore(const Parts& parts, TrainState state,
                                                            const std::string& resumed_from,
                                                            int64_t steps_per_epoch,
                                                            std::vector<std::string>& warnings) {
  std::unique_ptr<Progress> progress(new Progress(parts, std::move(state), steps_per_epoch));
  TY_RETURN_IF_ERROR(progress->RestoreSlots(resumed_from));
  TY_RETURN_IF_ERROR(progress->RestorePlace(resumed_from, warnings));
  progress->RestoreBest(warnings);
  return progress;
}

absl::Status Progress::RestoreSlots(const std::string& resumed_from) {
  const at::NoGradGuard no_gradients;
  const std::vector<KeptSlot> kept = SlotsOf(state_);
  for (Slot& slot : parts_.optimizer.Slots()) {
    const auto found = std::find_if(kept.begin(), kept.end(), [&](const KeptSlot& one) {
      return one.name == slot.name && one.kind == slot.kind;
    });
    if (found == kept.end()) continue;  // From the beginning, or it was frozen then.
    const auto bytes = static_cast<size_t>(slot.values.numel()) * sizeof(float);
    if (found->values.size() != bytes) {
      return absl::DataLossError(absl::StrFormat("checkpoint '%s': %s of '%s' has %d bytes; expected %d",
                                                 resumed_from, slot.kind, slot.name,
                                                 found->values.size(), bytes));
    }
    Tensor values = Tensor::Zeros(DType::kFloat32, slot.values.sizes().vec());
    std::copy(found->values.begin(), found->values.end(), static_cast<char*>(values.raw()));
    slot.values.copy_(ToTorch(values));
  }
  state_.clear_momentum();
  state_.clear_slots();
  return absl::OkStatus();
}

// Where in the training the state stands, with the data as it is now.
absl::Status Progress::RestorePlace(const std::string& resumed_from,
                                    std::vector<std::string>& warnings) {
  if (state_.step_in_epoch() > steps_per_epoch_) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "checkpoint '%s' stands at step %d of an epoch; with this spec and data an epoch has %d",
        resumed_from, state_.step_in_epoch(), steps_per_epoch_));
  }
  const int64_t step = state_.epoch() * steps_per_epoch_ + state_.step_in_epoch();
  if (state_.step() > 0 && state_.step() != step && !state_.mixed()) {
    state_.set_mixed(true);
    warnings.push_back(absl::StrFormat(
        "'%s' stands at step %d, which with the training data of now is step %d: pictures came or "
        "went since. Not an exact resume: the result is not that of an undisturbed training",
        resumed_from, state_.step(), step));
  }
  state_.set_step(step);
  // Stopped between the last step of an epoch and its end.
  if (state_.step_in_epoch() == steps_per_epoch_) {
    state_.set_epoch(state_.epoch() + 1);
    state_.set_step_in_epoch(0);
    state_.set_judged(false);
  }
  return absl::OkStatus();
}

// The best epoch's file may be in another folder, or gone: what is told of it would be told of a
// file with other weights. The epoch that the state stands after is the best one then, if it was
// judged.
void Progress::RestoreBest(std::vector<std::string>& warnings) {
  const bool stands_after_epoch = state_.step_in_epoch() == 0;
  if (state_.best_epoch() == 0 || FileExists(parts_.store.BestPath()) ||
      (stands_after_epoch && state_.best_epoch() == state_.epoch())) {
    return;
  }
  warnings.push_back(absl::StrFormat(
      "epoch %d, the best one so far (%s %.4g), is not in '%s'; 'best' is chosen among the epochs "
      "from here on",
      state_.best_epoch(), state_.best_metrics(0).name(), state_.best_metrics(0).value(),
      DirName(parts_.store.BestPath())));
  state_.set_best_epoch(0);
  state_.clear_best_metrics();
  if (!stands_after_epoch || state_.last_judged_epoch() != state_.epoch()) return;
  state_.set_best_epoch(state_.epoch());
  *state_.mutable_best_metrics() = state_.last_metrics();
}

double Progress::Rate() const {
  const auto total =
      static_cast<double>(parts_.plan.epochs) * static_cast<double>(steps_per_epoch_);
  return LearningRate(parts_.plan.learning_rate, static_cast<double>(state_.step()) / total);
}

bool Progress::IsCheckpointDue() const {
  return state_.epoch() >= parts_.plan.epochs ||
         state_.epoch() % std::max(1, parts_.plan.checkpoint_interval) == 0;
}

bool Progress::IsValidationDue() const {
  return state_.epoch() >= parts_.plan.epochs || WillStopEarly(parts_.plan, state_) ||
         state_.epoch() % std::max(1, parts_.plan.validation_period) == 0;
}

bool Progress::IsLastEpoch() const {
  return state_.epoch() >= parts_.plan.epochs || StopsEarly(parts_.plan, state_);
}

absl::Status Progress::Guarded(const std::function<absl::Status()>& train) {
  parts_.context.SetSaving(true);
  std::jthread keeper([this] { SaveOnStop(); });
  absl::Status status = train();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  keeper.join();
  if (!absl::IsCancelled(status)) return status;
  return kept_.ok() ? StoppedStatus() : kept_;
}

absl::Status Progress::StoppedStatus() const {
  const std::string place =
      state_.step_in_epoch() > 0
          ? absl::StrFormat("in epoch %d of %d, after step %d of %d", state_.epoch() + 1,
                            parts_.plan.epochs, state_.step_in_epoch(), steps_per_epoch_)
          : absl::StrFormat("after epoch %d of %d", state_.epoch(), parts_.plan.epochs);
  return absl::CancelledError(absl::StrCat("the training was stopped on request ", place,
                                           "; its state is in '", saved_path_,
                                           "'; the same command with --resume goes on from there"));
}

absl::StatusOr<double> Progress::Step(double data_loss, int64_t images) {
  const double rate = Rate();
  const std::lock_guard lock(mutex_);
  // What was saved meanwhile is the state before this step.
  if (parts_.context.stop.stop_requested()) return absl::CancelledError("given up on request");
  if (state_.step_in_epoch() == 0) {
    state_.set_loss_sum(0);
    state_.set_loss_images(0);
    state_.set_judged(false);
  }
  const double loss = data_loss + parts_.optimizer.Step(rate, state_.step());
  parts_.executor.CopyStatistics(statistics_);
  state_.set_step(state_.step() + 1);
  state_.set_step_in_epoch(state_.step_in_epoch() + 1);
  state_.set_loss_sum(state_.loss_sum() + loss * static_cast<double>(images));
  state_.set_loss_images(state_.loss_images() + images);
  return loss;
}

void Progress::EndEpoch() {
  const std::lock_guard lock(mutex_);
  state_.set_epoch(state_.epoch() + 1);
  state_.set_step_in_epoch(0);
}

absl::Status Progress::Judge(double loss, const std::optional<ValidationResult>& validation) {
  // A stop finds the state before all of this or after it.
  const std::lock_guard lock(mutex_);
  const bool is_best = validation && NoteJudged(*validation, state_);
  NoteMonitored(parts_.plan, loss, validation, state_);
  state_.set_judged(true);
  // Again, with what was measured: a training that is resumed from it knows. One that stops early ends
  // here too.
  if (IsCheckpointDue() || IsLastEpoch()) TY_RETURN_IF_ERROR(WriteEpoch());
  return is_best ? WriteBest() : absl::OkStatus();
}

absl::Status Progress::SaveEpoch() {
  const std::lock_guard lock(mutex_);
  return WriteEpoch();
}

absl::Status Progress::SaveBest() {
  const std::lock_guard lock(mutex_);
  return WriteBest();
}

// Runs in a thread of its own: saves the state as soon as a stop is requested, while the step in
// hand goes on; its result is given up. `mutex_` is held but while it waits.
void Progress::SaveOnStop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, parts_.context.stop, [this] { return ended_; });
  if (!parts_.context.stop.stop_requested()) return;
  try {
    kept_ = SaveInterrupted();
  } catch (const std::exception& error) {
    kept_ = TorchStatus("saving the interrupted state", error);
  }
  // The step in hand may be given up from here on.
  parts_.context.SetSaving(false);
}

absl::Status Progress::SaveInterrupted() {
  if (saved_step_ == state_.step() && saved_judged_ == state_.judged()) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot());
  TY_ASSIGN_OR_RETURN(const std::string path, parts_.store.SaveInterrupted(parts_.model, state));
  return Announce(path);
}

absl::Status Progress::WriteEpoch() {
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot());
  TY_ASSIGN_OR_RETURN(const std::string path, parts_.store.SaveEpoch(parts_.model, state));
  return Announce(path);
}

absl::Status Progress::WriteBest() {
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot());
  return parts_.store.SaveBest(parts_.model, state);
}

// Brings the model up to date and returns the state with the optimizer's slots.
absl::StatusOr<TrainState> Progress::Snapshot() {
  const at::NoGradGuard no_gradients;
  TY_RETURN_IF_ERROR(CheckWeights());
  TY_RETURN_IF_ERROR(parts_.executor.WriteBack(parts_.model.graph, statistics_));
  TrainState state = state_;
  for (const Slot& slot : parts_.optimizer.Slots()) {
    TY_ASSIGN_OR_RETURN(const Tensor values, FromTorch(slot.values));
    AddSlot(slot, values, state);
  }
  return state;
}

// A step may bring infinite weights with a loss that is a number still, and nobody can go on from
// such a checkpoint.
absl::Status Progress::CheckWeights() const {
  for (const Parameter& parameter : parts_.executor.parameters()) {
    if (at::isfinite(parameter.value).all().item<bool>()) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "'%s' has weights that are no numbers after epoch %d, step %d; %s, and go on from an earlier "
        "checkpoint",
        parameter.name, state_.epoch(), state_.step_in_epoch(),
        networks::FieldsOf(parts_.model.record.network()).calmer));
  }
  return absl::OkStatus();
}

absl::Status Progress::Announce(const std::string& path) {
  saved_step_ = state_.step();
  saved_path_ = path;
  saved_judged_ = state_.judged();
  worker::WorkerEvent event;
  event.mutable_checkpoint()->set_path(path);
  event.mutable_checkpoint()->set_epoch(state_.epoch());
  event.mutable_checkpoint()->set_step(state_.step());
  return parts_.context.journal.Append(std::move(event));
}

}  // namespace trainyard::training
