#include "libs/training/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "ATen/Context.h"
#include "ATen/core/grad_mode.h"
#include "ATen/cpu/Utils.h"
#include "ATen/ops/isfinite.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/data/loader.h"
#include "libs/networks/registry.h"
#include "libs/training/artifacts.h"
#include "libs/training/checkpoints.h"
#include "libs/training/device.h"
#include "libs/training/executor.h"
#include "libs/training/judgement.h"
#include "libs/training/losses/loss.h"
#include "libs/training/optimizer.h"
#include "libs/training/report.h"
#include "libs/training/schedule.h"
#include "libs/training/start.h"
#include "libs/training/throughput.h"
#include "libs/training/torch_status.h"
#include "libs/training/torch_tensor.h"
#include "libs/training/validation.h"
#include "libs/worker/outcome.h"

namespace trainyard::training {
namespace {

using worker::Context;
using worker::Finished;
using worker::WorkerEvent;

absl::Status CheckPlan(const TrainingPlan& plan, bool validates) {
  TY_RETURN_IF_ERROR(Validate(plan.learning_rate));
  const bool monitors = plan.early_stopping && plan.early_stopping->on_validation_loss;
  if (monitors && (!validates || plan.validation_period != 1)) {
    return absl::InvalidArgumentError(
        "early_stopping monitors validation_loss; that needs validation data and "
        "validation_period_during_training 1");
  }
  return absl::OkStatus();
}

/// One training, from start to end.
class TrainingRun {
 public:
  TrainingRun(Context& context, std::unique_ptr<Network> network, Start start, absl::Time began)
      : context_(context),
        task_(context.job.train()),
        network_(std::move(network)),
        plan_(network_->training_plan()),
        model_(std::move(start.model)),
        resumed_from_(std::move(start.resumed_from)),
        notes_(std::move(start.notes)),
        warnings_(std::move(start.warnings)),
        store_(task_.results_dir(), model_.record, context.key),
        throughput_(began),
        state_(std::move(start.state)) {}

  absl::Status Prepare();
  absl::Status Run();
  absl::StatusOr<Finished> Finish();

 private:
  absl::Status OpenData();
  absl::Status MakeNetwork();
  absl::Status MakeReport();
  absl::Status RestoreOptimizer();
  absl::Status RestorePlace();
  void RestoreBest();
  absl::Status AnnounceStart();
  absl::StatusOr<std::unique_ptr<BatchLoader>> MakeLoader() const;

  absl::Status RunEpochs();
  absl::Status CompleteLastEpoch();
  absl::Status RunEpoch(BatchLoader& loader);
  absl::Status RunStep(const Batch& batch);
  absl::StatusOr<double> ForwardBackward(const Batch& batch);
  absl::Status EndEpoch(absl::Time began);
  absl::Status JudgeEpoch(absl::Duration time);
  bool IsCheckpointDue() const {
    return state_.epoch() >= plan_.epochs ||
           state_.epoch() % std::max(1, plan_.checkpoint_interval) == 0;
  }
  bool IsValidationDue() const {
    return validation_ && (state_.epoch() >= plan_.epochs || WillStopEarly(plan_, state_) ||
                           state_.epoch() % std::max(1, plan_.validation_period) == 0);
  }
  bool IsLastEpoch() const { return state_.epoch() >= plan_.epochs || StopsEarly(plan_, state_); }

  void KeepStateOnStop();
  absl::Status SaveInterrupted();
  absl::Status SaveEpoch();
  absl::Status SaveBest();
  absl::StatusOr<TrainState> Snapshot(absl::Span<const at::Tensor> statistics);
  absl::Status CheckWeights() const;
  absl::Status AppendCheckpoint(const std::string& path);
  absl::Status StoppedStatus() const;
  void ReportProgress();
  double Rate() const;
  std::vector<std::string> Classes() const { return ClassesOf(model_.record); }

  Context& context_;
  const worker::v1::TrainTask& task_;
  std::unique_ptr<Network> network_;
  TrainingPlan plan_;
  Model model_;
  std::string resumed_from_;
  /// `data_warnings_` are among the notes already.
  std::vector<std::string> notes_, warnings_, data_warnings_;
  CheckpointStore store_;

  std::shared_ptr<const SampleSource> train_data_;
  /// Null without validation data.
  std::shared_ptr<const SampleSource> validation_data_;
  at::Device device_ = at::kCPU;
  Threads threads_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<Sgd> sgd_;
  std::optional<Validation> validation_;
  std::optional<TrainingReport> report_;
  int64_t steps_per_epoch_ = 0;
  Throughput throughput_;
  double last_loss_ = 0;

  /// Guards what a checkpoint is made of: parameters, momentum, `state_` (its momentum is filled in
  /// copies only), the graph. A step computes without it and changes them under it.
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

absl::Status TrainingRun::Prepare() {
  TY_RETURN_IF_ERROR(OpenData());
  TY_RETURN_IF_ERROR(CheckPlan(plan_, validation_data_ != nullptr));
  TY_RETURN_IF_ERROR(MakeNetwork());
  TY_RETURN_IF_ERROR(RestoreOptimizer());
  TY_RETURN_IF_ERROR(RestorePlace());
  TY_RETURN_IF_ERROR(store_.Open());
  if (resumed_from_.empty()) {
    TY_ASSIGN_OR_RETURN(const int removed, store_.RemoveAll());
    if (removed > 0) {
      notes_.push_back(absl::StrCat("removed ", removed, " checkpoints of an earlier try from '",
                                    task_.results_dir(), "/weights'"));
    }
  } else if (IsSamePath(resumed_from_, store_.BestPath())) {
    TY_RETURN_IF_ERROR(store_.KeepBest(state_.epoch()));
  }
  RestoreBest();
  TY_RETURN_IF_ERROR(MakeReport());
  TY_RETURN_IF_ERROR(AnnounceStart());
  // Before the first step, for what is wrong now is wrong for hours; and again with the result.
  for (const std::string& warning : data_warnings_) {
    context_.Warn(absl::FailedPreconditionError(warning));
  }
  for (const std::string& warning : warnings_) {
    context_.Warn(absl::FailedPreconditionError(warning));
    notes_.push_back(warning);
  }
  return absl::OkStatus();
}

absl::Status TrainingRun::OpenData() {
  const int threads = std::max(1, context_.job.threads());
  TY_ASSIGN_OR_RETURN(std::optional<OpenedData> train,
                      network_->OpenData(DataUse::kTraining, model_.record, task_.strict(), threads));
  TY_ASSIGN_OR_RETURN(
      std::optional<OpenedData> validation,
      network_->OpenData(DataUse::kValidation, model_.record, task_.strict(), threads));
  if (!train) return absl::InvalidArgumentError("the spec names no training data");
  std::string ledger;
  const auto tell = [&](OpenedData& data) {
    absl::StrAppend(&ledger, data.ledger.ToJsonLines());
    for (std::string& note : data.notes) notes_.push_back(std::move(note));
    for (std::string& warning : data.warnings) data_warnings_.push_back(std::move(warning));
  };
  tell(*train);
  if (validation) {
    tell(*validation);
    validation_data_ = std::move(validation->source);
  }
  train_data_ = std::move(train->source);
  if (plan_.batch_size > train_data_->size()) {
    warnings_.push_back(absl::StrCat("batch_size_per_gpu is ", plan_.batch_size,
                                     ", the training data has ", train_data_->size(),
                                     " images: each batch holds some several times"));
  }
  const int64_t batch = plan_.batch_size;
  if (batch < 1) return absl::InvalidArgumentError("batch_size_per_gpu is 0; expected at least 1");
  steps_per_epoch_ = (train_data_->size() + batch - 1) / batch;
  TY_RETURN_IF_ERROR(MakeFolders(task_.results_dir()));
  const std::string path = JoinPath(task_.results_dir(), "label_ledger.jsonl");
  // One of an earlier try would tell what is not so any more.
  return ledger.empty() ? RemoveTree(path) : WriteFileAtomically(path, ledger);
}

absl::Status TrainingRun::MakeNetwork() {
  TY_ASSIGN_OR_RETURN(device_, ResolveDevice(task_.device(), task_.device_index()));
  threads_ = ShareThreads(std::max(1, context_.job.threads()), plan_.workers, device_.is_cpu());
  ConfigureLibTorch(threads_.computing, task_.deterministic());
  bool autocast = task_.use_amp();
  if (autocast && device_.is_cpu() && !at::cpu::init_amx()) {
    autocast = false;
    notes_.push_back("use_amp has no effect: without AMX, bf16 is slower than f32 on this CPU");
  }
  TY_ASSIGN_OR_RETURN(executor_, Executor::Create(model_.graph, {.device = device_,
                                                                 .flags = model_.record.training(),
                                                                 .autocast = autocast,
                                                                 .stop = context_.stop}));
  TY_ASSIGN_OR_RETURN(loss_, CreateLoss(*network_, model_.record, executor_->output_names()));
  sgd_ = std::make_unique<Sgd>(executor_->parameters(),
                               SgdOptions{.momentum = plan_.momentum,
                                          .regularizer = plan_.regularizer,
                                          .regularizer_weight = plan_.regularizer_weight});
  executor_->CopyStatistics(statistics_);
  if (!validation_data_) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(validation_,
                      Validation::Create(*network_, model_.record, validation_data_,
                                         threads_.loading, threads_.loads_ahead));
  return absl::OkStatus();
}

absl::Status TrainingRun::RestoreOptimizer() {
  for (const TrainState::Momentum& momentum : state_.momentum()) {
    const auto found = std::find(sgd_->names().begin(), sgd_->names().end(), momentum.name());
    if (found == sgd_->names().end()) continue;  // Frozen meanwhile.
    const at::Tensor& buffer = sgd_->momentum()[found - sgd_->names().begin()];
    const auto bytes = static_cast<size_t>(buffer.numel()) * sizeof(float);
    if (momentum.values().size() != bytes) {
      return absl::DataLossError(
          absl::StrFormat("checkpoint '%s': momentum of '%s' has %d bytes; expected %d",
                          resumed_from_, momentum.name(), momentum.values().size(), bytes));
    }
    Tensor values = Tensor::Zeros(DType::kFloat32, buffer.sizes().vec());
    std::copy(momentum.values().begin(), momentum.values().end(), static_cast<char*>(values.raw()));
    TY_RETURN_IF_ERROR(sgd_->SetMomentum(momentum.name(), ToTorch(values)));
  }
  state_.clear_momentum();
  return absl::OkStatus();
}

// Where in the training the state stands, with the data as it is now.
absl::Status TrainingRun::RestorePlace() {
  if (state_.step_in_epoch() > steps_per_epoch_) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "checkpoint '%s' stands at step %d of an epoch; with this spec and data an epoch has %d",
        resumed_from_, state_.step_in_epoch(), steps_per_epoch_));
  }
  const int64_t step = state_.epoch() * steps_per_epoch_ + state_.step_in_epoch();
  if (state_.step() > 0 && state_.step() != step && !state_.mixed()) {
    state_.set_mixed(true);
    warnings_.push_back(absl::StrFormat(
        "'%s' stands at step %d, which with the training data of now is step %d: pictures came or "
        "went since. Not an exact resume: the result is not that of an undisturbed training",
        resumed_from_, state_.step(), step));
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
void TrainingRun::RestoreBest() {
  const bool stands_after_epoch = state_.step_in_epoch() == 0;
  if (state_.best_epoch() == 0 || FileExists(store_.BestPath()) ||
      (stands_after_epoch && state_.best_epoch() == state_.epoch())) {
    return;
  }
  warnings_.push_back(absl::StrFormat(
      "epoch %d, the best one so far (%s %.4g), is not in '%s'; 'best' is chosen among the epochs "
      "from here on",
      state_.best_epoch(), state_.best_metrics(0).name(), state_.best_metrics(0).value(),
      DirName(store_.BestPath())));
  state_.set_best_epoch(0);
  state_.clear_best_metrics();
  if (!stands_after_epoch || state_.last_judged_epoch() != state_.epoch()) return;
  state_.set_best_epoch(state_.epoch());
  *state_.mutable_best_metrics() = state_.last_metrics();
}

absl::Status TrainingRun::MakeReport() {
  TY_ASSIGN_OR_RETURN(const Task* task, TaskOf(model_.record));
  TrainingReport::Options options{.results_dir = task_.results_dir(),
                                  .network = model_.record.network(),
                                  .arch = model_.record.arch(),
                                  .task = task,
                                  .classes = Classes(),
                                  .validates = validation_.has_value(),
                                  .visualize = plan_.visualize,
                                  .visualize_images = plan_.visualize_images,
                                  .first_epoch = state_.epoch() + 1};
  // An epoch that was saved but not judged is judged, and logged, now.
  if (state_.step_in_epoch() == 0 && !state_.judged()) options.first_epoch = state_.epoch();
  TY_ASSIGN_OR_RETURN(report_, TrainingReport::Create(context_, std::move(options)));
  return report_->Status("STARTED", "Starting Training Loop.");
}

absl::Status TrainingRun::AnnounceStart() {
  WorkerEvent event;
  event.mutable_started()->set_pid(getpid());
  event.mutable_started()->set_device(DescribeDevice(device_, context_.job.threads()));
  event.mutable_started()->set_resumed_from(resumed_from_);
  TY_RETURN_IF_ERROR(context_.journal.Append(std::move(event)));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BatchLoader>> TrainingRun::MakeLoader() const {
  TY_ASSIGN_OR_RETURN(auto samples,
                      network_->Prepare(train_data_, model_.record, DataUse::kTraining));
  return BatchLoader::Create(std::move(samples), {.seed = plan_.seed,
                                                  .batch_size = plan_.batch_size,
                                                  .threads = threads_.loading,
                                                  .queue_batches = plan_.max_queue_size,
                                                  .wrap_tail = true,
                                                  .runs_ahead = threads_.loads_ahead,
                                                  .first_epoch = state_.epoch(),
                                                  .first_step = state_.step_in_epoch(),
                                                  .end_epoch = plan_.epochs});
}

absl::Status TrainingRun::Run() {
  context_.SetSaving(true);
  std::jthread keeper([this] { KeepStateOnStop(); });
  absl::Status status = RunEpochs();
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  keeper.join();
  if (!absl::IsCancelled(status)) return status;
  return kept_.ok() ? StoppedStatus() : kept_;
}

absl::Status TrainingRun::StoppedStatus() const {
  const std::string place =
      state_.step_in_epoch() > 0
          ? absl::StrFormat("in epoch %d of %d, after step %d of %d", state_.epoch() + 1,
                            plan_.epochs, state_.step_in_epoch(), steps_per_epoch_)
          : absl::StrFormat("after epoch %d of %d", state_.epoch(), plan_.epochs);
  return absl::CancelledError(absl::StrCat("the training was stopped on request ", place,
                                           "; its state is in '", saved_path_,
                                           "'; the same command with --resume goes on from there"));
}

absl::Status TrainingRun::RunEpochs() {
  if (state_.step_in_epoch() == 0) {
    TY_RETURN_IF_ERROR(CompleteLastEpoch());
    if (IsLastEpoch()) {
      notes_.push_back(absl::StrCat("no epoch was left to train: the training stands after epoch ",
                                    state_.epoch(), " of num_epochs ", plan_.epochs,
                                    state_.epoch() < plan_.epochs
                                        ? ", where early_stopping ended it; a longer patience, or "
                                          "none, goes on (-m CHECKPOINT --initial_epoch N)"
                                        : ""));
      // Its checkpoint may lie in another folder.
      if (FileExists(store_.EpochPath(state_.epoch()))) return absl::OkStatus();
      const std::lock_guard lock(mutex_);
      return SaveEpoch();
    }
  }
  TY_ASSIGN_OR_RETURN(const auto loader, MakeLoader());
  do {
    TY_RETURN_IF_ERROR(RunEpoch(*loader));
  } while (!IsLastEpoch());
  if (state_.epoch() < plan_.epochs) {
    notes_.push_back(absl::StrCat("early_stopping ended the training after epoch ", state_.epoch(),
                                  " of num_epochs ", plan_.epochs));
  }
  return absl::OkStatus();
}

// Does what a worker that died at the end of an epoch left undone.
absl::Status TrainingRun::CompleteLastEpoch() {
  if (!state_.judged()) return JudgeEpoch(absl::ZeroDuration());
  if (state_.best_epoch() == 0 || state_.best_epoch() != state_.epoch()) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  return SaveBest();
}

absl::Status TrainingRun::RunEpoch(BatchLoader& loader) {
  const absl::Time began = absl::Now();
  throughput_.Resume(began);
  bool last = false;
  while (!last) {
    if (context_.stop.stop_requested()) {
      return absl::CancelledError("training stopped on request");
    }
    TY_ASSIGN_OR_RETURN(const Batch batch, loader.Next());
    if (batch.step == 0) {
      TY_RETURN_IF_ERROR(report_->FirstBatch(batch, model_.record.preprocess()));
    }
    TY_RETURN_IF_ERROR(RunStep(batch));
    throughput_.Step(batch.images.dim(0), absl::Now());
    last = batch.last_of_epoch;
    if (!last) ReportProgress();
  }
  return EndEpoch(began);
}

absl::StatusOr<double> TrainingRun::ForwardBackward(const Batch& batch) {
  TY_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs,
                      executor_->Forward({ToTorch(batch.images)}, Mode::kTraining));
  std::vector<at::Tensor> targets;
  for (const Tensor& target : batch.targets) targets.push_back(ToTorch(target));
  TY_ASSIGN_OR_RETURN(const at::Tensor loss, loss_->Compute(outputs, targets));
  try {
    loss.backward();
    return loss.item<double>();
  } catch (const std::exception& error) {
    return TorchStatus("computing gradients", error);
  }
}

absl::Status TrainingRun::RunStep(const Batch& batch) {
  const double rate = Rate();
  TY_ASSIGN_OR_RETURN(const double data_loss, ForwardBackward(batch));
  if (!std::isfinite(data_loss)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "loss is %g at epoch %d, step %d (learning rate %g); lower max_learning_rate or lengthen "
        "soft_start, and go on from an earlier checkpoint",
        data_loss, state_.epoch() + 1, state_.step_in_epoch() + 1, rate));
  }
  const int64_t images = batch.images.dim(0);
  {
    const std::lock_guard lock(mutex_);
    // What was saved meanwhile is the state before this step.
    if (context_.stop.stop_requested()) return absl::CancelledError("given up on request");
    if (state_.step_in_epoch() == 0) {
      state_.set_loss_sum(0);
      state_.set_loss_images(0);
      state_.set_judged(false);
    }
    last_loss_ = data_loss + sgd_->Step(rate);
    executor_->CopyStatistics(statistics_);
    state_.set_step(state_.step() + 1);
    state_.set_step_in_epoch(state_.step_in_epoch() + 1);
    state_.set_loss_sum(state_.loss_sum() + last_loss_ * static_cast<double>(images));
    state_.set_loss_images(state_.loss_images() + images);
  }
  return report_->Step(last_loss_, rate);
}

double TrainingRun::Rate() const {
  const auto total = static_cast<double>(plan_.epochs) * static_cast<double>(steps_per_epoch_);
  return LearningRate(plan_.learning_rate, static_cast<double>(state_.step()) / total);
}

absl::Status TrainingRun::EndEpoch(absl::Time began) {
  {
    const std::lock_guard lock(mutex_);
    state_.set_epoch(state_.epoch() + 1);
    state_.set_step_in_epoch(0);
  }
  // A validation may take long: what was trained is kept before it.
  if (IsCheckpointDue() && IsValidationDue()) {
    const std::lock_guard lock(mutex_);
    TY_RETURN_IF_ERROR(SaveEpoch());
  }
  ReportProgress();
  return JudgeEpoch(absl::Now() - began);
}

absl::Status TrainingRun::JudgeEpoch(absl::Duration time) {
  EpochSummary summary{.epoch = state_.epoch(),
                       .epochs = plan_.epochs,
                       .step = state_.step(),
                       .loss = EpochLoss(state_),
                       .rate = Rate(),
                       .time = time};
  if (IsValidationDue()) {
    TY_ASSIGN_OR_RETURN(summary.validation, validation_->Run(*executor_, *loss_, context_.stop));
    if (!std::isfinite(summary.validation->loss)) {
      notes_.push_back(absl::StrFormat(
          "validation_loss is %g after epoch %d: what the network puts out is no number; lower "
          "max_learning_rate or lengthen soft_start",
          summary.validation->loss, state_.epoch()));
      context_.Warn(absl::FailedPreconditionError(notes_.back()));
    }
  }
  TY_RETURN_IF_ERROR(report_->Epoch(summary));
  // A stop finds the state before all of this or after it.
  const std::lock_guard lock(mutex_);
  const bool is_best = summary.validation && NoteJudged(*summary.validation, state_);
  NoteMonitored(plan_, summary.loss, summary.validation, state_);
  state_.set_judged(true);
  // Again, with what was measured: who goes on from it knows. One that stops early ends here too.
  if (IsCheckpointDue() || IsLastEpoch()) TY_RETURN_IF_ERROR(SaveEpoch());
  return is_best ? SaveBest() : absl::OkStatus();
}

// Needs `mutex_`.
absl::Status TrainingRun::SaveBest() {
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot(statistics_));
  return store_.SaveBest(model_, state);
}

// Runs in a thread of its own: saves the state as soon as a stop is requested, while the step in
// hand goes on; its result is given up. `mutex_` is held but while it waits.
void TrainingRun::KeepStateOnStop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, context_.stop, [this] { return ended_; });
  if (!context_.stop.stop_requested()) return;
  try {
    kept_ = SaveInterrupted();
  } catch (const std::exception& error) {
    kept_ = TorchStatus("saving the interrupted state", error);
  }
  // The step in hand may be given up from here on.
  context_.SetSaving(false);
}

absl::Status TrainingRun::SaveInterrupted() {
  if (saved_step_ == state_.step() && saved_judged_ == state_.judged()) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot(statistics_));
  TY_ASSIGN_OR_RETURN(const std::string path, store_.SaveInterrupted(model_, state));
  return AppendCheckpoint(path);
}

// Needs `mutex_`.
absl::Status TrainingRun::SaveEpoch() {
  TY_ASSIGN_OR_RETURN(const TrainState state, Snapshot(statistics_));
  TY_ASSIGN_OR_RETURN(const std::string path, store_.SaveEpoch(model_, state));
  return AppendCheckpoint(path);
}

// Brings the model up to date and returns the state with its momentum. Needs `mutex_`.
absl::StatusOr<TrainState> TrainingRun::Snapshot(absl::Span<const at::Tensor> statistics) {
  const at::NoGradGuard no_gradients;
  TY_RETURN_IF_ERROR(CheckWeights());
  TY_RETURN_IF_ERROR(executor_->WriteBack(model_.graph, statistics));
  TrainState state = state_;
  for (size_t i = 0; i < sgd_->names().size(); ++i) {
    TY_ASSIGN_OR_RETURN(const Tensor values, FromTorch(sgd_->momentum()[i]));
    TrainState::Momentum& momentum = *state.add_momentum();
    momentum.set_name(sgd_->names()[i]);
    momentum.set_values(values.raw(), static_cast<size_t>(values.size_bytes()));
  }
  return state;
}

// A step may bring infinite weights with a loss that is a number still, and nobody can go on from
// such a checkpoint.
absl::Status TrainingRun::CheckWeights() const {
  for (const Parameter& parameter : executor_->parameters()) {
    if (at::isfinite(parameter.value).all().item<bool>()) continue;
    return absl::FailedPreconditionError(absl::StrFormat(
        "'%s' has weights that are no numbers after epoch %d, step %d; lower max_learning_rate or "
        "lengthen soft_start, and go on from an earlier checkpoint",
        parameter.name, state_.epoch(), state_.step_in_epoch()));
  }
  return absl::OkStatus();
}

absl::Status TrainingRun::AppendCheckpoint(const std::string& path) {
  saved_step_ = state_.step();
  saved_path_ = path;
  saved_judged_ = state_.judged();
  WorkerEvent event;
  event.mutable_checkpoint()->set_path(path);
  event.mutable_checkpoint()->set_epoch(state_.epoch());
  event.mutable_checkpoint()->set_step(state_.step());
  return context_.journal.Append(std::move(event));
}

void TrainingRun::ReportProgress() {
  const auto size = static_cast<double>(train_data_->size());
  const double in_epoch = std::min(
      size, static_cast<double>(state_.step_in_epoch()) * static_cast<double>(plan_.batch_size));
  const int epoch = state_.epoch() + (state_.step_in_epoch() > 0 ? 1 : 0);
  context_.Progress(state_.epoch() * size + in_epoch, plan_.epochs * size, "images",
                    absl::StrFormat("epoch %d of %d, loss %.4g", epoch, plan_.epochs, last_loss_));
}

absl::StatusOr<Finished> TrainingRun::Finish() {
  Finished finished;
  const std::string last = store_.EpochPath(state_.epoch());
  const bool judged = state_.best_epoch() > 0;
  const std::pair<const char*, std::string> files[] = {
      {"best", judged && FileExists(store_.BestPath()) ? store_.BestPath() : last}, {"last", last}};
  for (const auto& [name, path] : files) {
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(), worker::DescribeArtifact(name, path, "tlt"));
  }
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("log", report_->log_path(), "log"));

  if (std::string note = AddJudgement(state_, finished); !note.empty()) {
    notes_.push_back(std::move(note));
  }
  const auto add = [&finished](const char* name, double value, const char* unit = "") {
    *finished.add_metrics() = worker::MakeMetric(name, value, unit);
  };
  add("epochs", state_.epoch(), "epochs");
  add("loss", EpochLoss(state_));
  if (state_.has_validation_loss()) add("validation_loss", state_.validation_loss());
  if (throughput_.ImagesPerSecond() > 0) {
    *finished.add_metrics() = worker::MakeMetric("images_per_second", throughput_.ImagesPerSecond(),
                                                 "images/s", /*higher_is_better=*/true);
    add("startup_seconds", absl::ToDoubleSeconds(throughput_.StartUp()), "s");
  }
  TY_RETURN_IF_ERROR(AddSizeMetrics(model_.graph, finished));
  for (const std::string& note : notes_) finished.add_notes(note);
  TY_RETURN_IF_ERROR(report_->Status("SUCCESS", "Training finished successfully."));
  return finished;
}

absl::StatusOr<Finished> TrainAll(Context& context, bool& is_ours) {
  const absl::Time began = absl::Now();
  const worker::v1::TrainTask& task = context.job.train();
  ConfigureLibTorch(context.job.threads(), task.deterministic());
  TY_ASSIGN_OR_RETURN(auto network,
                      CreateNetwork(context.job.network(), context.job.spec(), "spec"));
  absl::StatusOr<Start> start = DecideStart(context.job, *network, context.key);
  is_ours = !absl::IsFailedPrecondition(start.status());
  TY_RETURN_IF_ERROR(start.status());
  TrainingRun run(context, std::move(network), *std::move(start), began);
  TY_RETURN_IF_ERROR(run.Prepare());
  TY_RETURN_IF_ERROR(run.Run());
  return run.Finish();
}

}  // namespace

absl::StatusOr<Finished> Train(Context& context) {
  // Not where another training's files lie.
  bool is_ours = true;
  absl::StatusOr<Finished> finished = TrainAll(context, is_ours);
  if (!finished.ok() && is_ours) NoteFailure(context.job.train().results_dir(), finished.status());
  return finished;
}

}  // namespace trainyard::training
