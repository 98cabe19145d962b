#include "libs/training/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "ATen/Context.h"
#include "ATen/cpu/Utils.h"
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
#include "libs/training/progress.h"
#include "libs/training/report.h"
#include "libs/training/schedule.h"
#include "libs/training/start.h"
#include "libs/training/step.h"
#include "libs/training/throughput.h"
#include "libs/training/validation.h"
#include "libs/worker/outcome.h"

namespace trainyard::training {
namespace {

using worker::Context;
using worker::Finished;
using worker::WorkerEvent;

absl::Status CheckPlan(const networks::TrainingPlan& plan, bool validates) {
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
  TrainingRun(Context& context, std::unique_ptr<networks::Network> network, Start start,
              absl::Time began)
      : context_(context),
        task_(context.job.train()),
        network_(std::move(network)),
        plan_(network_->training_plan()),
        model_(std::move(start.model)),
        resumed_from_(std::move(start.resumed_from)),
        notes_(std::move(start.notes)),
        warnings_(std::move(start.warnings)),
        fields_(networks::FieldsOf(network_->name())),
        files_(networks::FilesOf(model_.record)),
        store_(task_.results_dir(), model_.record, context.key),
        started_at_(std::move(start.state)),
        throughput_(began) {}

  absl::Status Prepare();
  absl::Status Run() {
    return progress_->Guarded([this] { return RunEpochs(); });
  }
  absl::StatusOr<Finished> Finish();

 private:
  absl::Status OpenData();
  absl::Status MakeNetwork();
  absl::Status MakeReport();
  absl::Status AnnounceStart();
  absl::StatusOr<std::unique_ptr<data::BatchLoader>> MakeLoader() const;

  absl::Status RunEpochs();
  absl::Status CompleteLastEpoch();
  absl::Status RunEpoch(data::BatchLoader& loader);
  absl::Status RunStep(const data::Batch& batch);
  absl::Status EndEpoch(absl::Time began);
  absl::Status JudgeEpoch(absl::Duration time);
  void ReportProgress();
  const TrainState& state() const { return progress_->state(); }
  bool IsValidationDue() const { return validation_ && progress_->IsValidationDue(); }

  Context& context_;
  const worker::v1::TrainTask& task_;
  std::unique_ptr<networks::Network> network_;
  networks::TrainingPlan plan_;
  Model model_;
  std::string resumed_from_;
  /// `data_warnings_` are among the notes already.
  std::vector<std::string> notes_, warnings_, data_warnings_;
  const networks::SpecFields fields_;
  const networks::TrainingFiles files_;
  CheckpointStore store_;

  std::shared_ptr<const data::SampleSource> train_data_;
  /// Null without validation data.
  std::shared_ptr<const data::SampleSource> validation_data_;
  at::Device device_ = at::kCPU;
  Threads threads_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<Optimizer> optimizer_;
  /// Until there is a progress.
  TrainState started_at_;
  std::unique_ptr<Progress> progress_;
  std::optional<Validation> validation_;
  std::optional<TrainingReport> report_;
  int64_t steps_per_epoch_ = 0;
  Throughput throughput_;
  double last_loss_ = 0;
};

absl::Status TrainingRun::Prepare() {
  TY_RETURN_IF_ERROR(OpenData());
  TY_RETURN_IF_ERROR(CheckPlan(plan_, validation_data_ != nullptr));
  TY_RETURN_IF_ERROR(MakeNetwork());
  TY_ASSIGN_OR_RETURN(progress_, Progress::Restore({.context = context_,
                                                    .plan = plan_,
                                                    .model = model_,
                                                    .executor = *executor_,
                                                    .optimizer = *optimizer_,
                                                    .store = store_},
                                                   std::move(started_at_), resumed_from_,
                                                   steps_per_epoch_, warnings_));
  TY_RETURN_IF_ERROR(store_.Open());
  if (resumed_from_.empty()) {
    TY_ASSIGN_OR_RETURN(const int removed, store_.RemoveAll());
    if (removed > 0) {
      notes_.push_back(absl::StrCat("removed ", removed, " checkpoints of an earlier try from '",
                                    task_.results_dir(), "/weights'"));
    }
  } else if (IsSamePath(resumed_from_, store_.BestPath())) {
    TY_RETURN_IF_ERROR(store_.KeepBest(state().epoch()));
  }
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
  TY_ASSIGN_OR_RETURN(
      std::optional<data::OpenedData> train,
      network_->OpenData(data::DataUse::kTraining, model_.record, task_.strict(), threads));
  TY_ASSIGN_OR_RETURN(
      std::optional<data::OpenedData> validation,
      network_->OpenData(data::DataUse::kValidation, model_.record, task_.strict(), threads));
  if (!train) return absl::InvalidArgumentError("the spec names no training data");
  std::string ledger;
  const auto tell = [&](data::OpenedData& data) {
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
  for (const auto& [name, bytes] : files_.more) {
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(task_.results_dir(), name), bytes));
  }
  // One of an earlier try would tell what is not so any more.
  return ledger.empty() ? RemoveTree(path) : WriteFileAtomically(path, ledger);
}

absl::Status TrainingRun::MakeNetwork() {
  TY_ASSIGN_OR_RETURN(device_, ResolveDevice(task_.device(), task_.device_index()));
  threads_ = ShareThreads(std::max(1, context_.job.threads()), plan_.workers, device_.is_cpu());
  ConfigureLibTorch(threads_.computing, task_.deterministic());
  if (device_.is_cpu()) KeepFreedMemory();
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
  step_ = MakeLossStep(*loss_);
  optimizer_ = MakeOptimizer(plan_, executor_->parameters());
  if (!validation_data_) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(validation_,
                      Validation::Create(*network_, model_.record, validation_data_,
                                         threads_.loading, threads_.loads_ahead));
  return absl::OkStatus();
}

absl::Status TrainingRun::MakeReport() {
  TY_ASSIGN_OR_RETURN(const tasks::Task* task, networks::TaskOf(model_.record));
  TrainingReport::Options options{.results_dir = task_.results_dir(),
                                  .log_path = JoinPath(task_.results_dir(), files_.log),
                                  .task = task,
                                  .classes = ClassesOf(model_.record),
                                  .validates = validation_.has_value(),
                                  .visualize = plan_.visualize,
                                  .visualize_images = plan_.visualize_images,
                                  .first_epoch = state().epoch() + 1};
  // An epoch that was saved but not judged is judged, and logged, now.
  if (state().step_in_epoch() == 0 && !state().judged()) options.first_epoch = state().epoch();
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

absl::StatusOr<std::unique_ptr<data::BatchLoader>> TrainingRun::MakeLoader() const {
  TY_ASSIGN_OR_RETURN(auto samples,
                      network_->Prepare(train_data_, model_.record, data::DataUse::kTraining));
  return data::BatchLoader::Create(std::move(samples), {.seed = plan_.seed,
                                                        .batch_size = plan_.batch_size,
                                                        .threads = threads_.loading,
                                                        .queue_batches = plan_.max_queue_size,
                                                        .wrap_tail = true,
                                                        .runs_ahead = threads_.loads_ahead,
                                                        .first_epoch = state().epoch(),
                                                        .first_step = state().step_in_epoch(),
                                                        .end_epoch = plan_.epochs});
}

absl::Status TrainingRun::RunEpochs() {
  if (state().step_in_epoch() == 0) {
    TY_RETURN_IF_ERROR(CompleteLastEpoch());
    if (progress_->IsLastEpoch()) {
      notes_.push_back(absl::StrCat("no epoch was left to train: the training stands after epoch ",
                                    state().epoch(), " of ", fields_.epochs, " ", plan_.epochs,
                                    state().epoch() < plan_.epochs
                                        ? ", where early_stopping ended it; a longer patience, or "
                                          "none, goes on (-m CHECKPOINT --initial_epoch N)"
                                        : ""));
      // Its checkpoint may lie in another folder.
      if (FileExists(store_.EpochPath(state().epoch()))) return absl::OkStatus();
      return progress_->SaveEpoch();
    }
  }
  TY_ASSIGN_OR_RETURN(const auto loader, MakeLoader());
  do {
    TY_RETURN_IF_ERROR(RunEpoch(*loader));
  } while (!progress_->IsLastEpoch());
  if (state().epoch() < plan_.epochs) {
    notes_.push_back(absl::StrCat("early_stopping ended the training after epoch ", state().epoch(),
                                  " of ", fields_.epochs, " ", plan_.epochs));
  }
  return absl::OkStatus();
}

// Does what a worker that died at the end of an epoch left undone.
absl::Status TrainingRun::CompleteLastEpoch() {
  if (!state().judged()) return JudgeEpoch(absl::ZeroDuration());
  if (state().best_epoch() == 0 || state().best_epoch() != state().epoch()) return absl::OkStatus();
  return progress_->SaveBest();
}

absl::Status TrainingRun::RunEpoch(data::BatchLoader& loader) {
  const absl::Time began = absl::Now();
  throughput_.Resume(began);
  bool last = false;
  while (!last) {
    if (context_.stop.stop_requested()) {
      return absl::CancelledError("training stopped on request");
    }
    TY_ASSIGN_OR_RETURN(const data::Batch batch, loader.Next());
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

absl::Status TrainingRun::RunStep(const data::Batch& batch) {
  const double rate = progress_->Rate();
  TY_ASSIGN_OR_RETURN(const double data_loss, step_->Run(*executor_, batch));
  if (!std::isfinite(data_loss)) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "loss is %g at epoch %d, step %d (learning rate %g); %s, and go on from an earlier checkpoint",
        data_loss, state().epoch() + 1, state().step_in_epoch() + 1, rate, fields_.calmer));
  }
  TY_ASSIGN_OR_RETURN(last_loss_, progress_->Step(data_loss, batch.images.dim(0)));
  return report_->Step(last_loss_, rate);
}

absl::Status TrainingRun::EndEpoch(absl::Time began) {
  progress_->EndEpoch();
  // A validation may take long: what was trained is kept before it.
  if (progress_->IsCheckpointDue() && IsValidationDue()) TY_RETURN_IF_ERROR(progress_->SaveEpoch());
  ReportProgress();
  return JudgeEpoch(absl::Now() - began);
}

absl::Status TrainingRun::JudgeEpoch(absl::Duration time) {
  EpochSummary summary{.epoch = state().epoch(),
                       .epochs = plan_.epochs,
                       .step = state().step(),
                       .loss = EpochLoss(state()),
                       .rate = progress_->Rate(),
                       .time = time};
  if (IsValidationDue()) {
    TY_ASSIGN_OR_RETURN(summary.validation, validation_->Run(*executor_, *loss_, context_.stop));
    if (!std::isfinite(summary.validation->loss)) {
      notes_.push_back(absl::StrFormat(
          "validation_loss is %g after epoch %d: what the network puts out is no number; %s",
          summary.validation->loss, state().epoch(), fields_.calmer));
      context_.Warn(absl::FailedPreconditionError(notes_.back()));
    }
  }
  TY_RETURN_IF_ERROR(report_->Epoch(summary));
  return progress_->Judge(summary.loss, summary.validation);
}

void TrainingRun::ReportProgress() {
  const auto size = static_cast<double>(train_data_->size());
  const double in_epoch = std::min(
      size, static_cast<double>(state().step_in_epoch()) * static_cast<double>(plan_.batch_size));
  const int epoch = state().epoch() + (state().step_in_epoch() > 0 ? 1 : 0);
  context_.Progress(state().epoch() * size + in_epoch, plan_.epochs * size, "images",
                    absl::StrFormat("epoch %d of %d, loss %.4g", epoch, plan_.epochs, last_loss_));
}

absl::StatusOr<Finished> TrainingRun::Finish() {
  Finished finished;
  const std::string last = store_.EpochPath(state().epoch());
  const bool judged = state().best_epoch() > 0;
  const std::pair<const char*, std::string> files[] = {
      {"best", judged && FileExists(store_.BestPath()) ? store_.BestPath() : last}, {"last", last}};
  for (const auto& [name, path] : files) {
    TY_ASSIGN_OR_RETURN(*finished.add_outputs(), worker::DescribeArtifact(name, path, "tlt"));
  }
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("log", report_->log_path(), "log"));

  if (std::string note = AddJudgement(state(), finished); !note.empty()) {
    notes_.push_back(std::move(note));
  }
  const auto add = [&finished](const char* name, double value, const char* unit = "") {
    *finished.add_metrics() = worker::MakeMetric(name, value, unit);
  };
  add("epochs", state().epoch(), "epochs");
  add("loss", EpochLoss(state()));
  if (state().has_validation_loss()) add("validation_loss", state().validation_loss());
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
                      networks::CreateNetwork(context.job.network(), context.job.spec(), "spec"));
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
