#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/data/loader.h"
#include "libs/tasks/task.h"
#include "libs/training/epoch_log.h"
#include "libs/training/tensorboard.h"
#include "libs/training/validation.h"
#include "libs/worker/runtime.h"

namespace trainyard::training {

/// What an epoch amounted to.
struct EpochSummary {
  /// 1-based, of `epochs`.
  int epoch = 0;
  int epochs = 0;
  /// Steps since the beginning of the training.
  int64_t step = 0;
  /// Mean over the epoch's images, regularization included.
  double loss = 0;
  /// After the last batch.
  double rate = 0;
  absl::Duration time;
  /// Absent when the epoch was not judged.
  std::optional<ValidationResult> validation;
};

/// Where a training tells what it does: the csv log, status.json, TensorBoard's events, and the journal.
/// Names and formats are TAO's. Not thread-safe.
class TrainingReport {
 public:
  struct Options {
    std::string results_dir;
    /// The table of epochs.
    std::string log_path;
    /// Of the network.
    const tasks::Task* task = nullptr;
    std::vector<std::string> classes;
    bool validates = false;
    /// Write events/ (TAO `visualizer.enabled`), and that many images of each epoch's first batch.
    bool visualize = false;
    int visualize_images = 0;
    /// 1-based; rows of the log before it are kept.
    int first_epoch = 1;
  };
  /// `context` outlives this.
  static absl::StatusOr<TrainingReport> Create(worker::Context& context, Options options);

  const std::string& log_path() const { return options_.log_path; }
  /// A line of status.json.
  absl::Status Status(const std::string& status, const std::string& message);
  /// After every step: TensorBoard.
  absl::Status Step(double loss, double rate);
  /// The first batch of an epoch, as the network sees it, for the visualizer.
  absl::Status FirstBatch(const data::Batch& batch, const model::v1::Preprocess& preprocess);
  /// After every epoch: all of them.
  absl::Status Epoch(const EpochSummary& summary);

 private:
  TrainingReport(worker::Context& context, Options options, tasks::EvaluationNames names,
                 EpochLog log, std::optional<TensorBoardWriter> events)
      : context_(&context),
        options_(std::move(options)),
        names_(std::move(names)),
        log_(std::move(log)),
        events_(std::move(events)) {}
  /// What is measured of an epoch, by TAO's columns and tags.
  std::map<std::string, trainyard::v1::Metric> ValuesOf(const EpochSummary& summary) const;
  absl::Status AppendToJournal(const EpochSummary& summary,
                               const std::map<std::string, trainyard::v1::Metric>& values);
  absl::Status AppendToStatus(const EpochSummary& summary);

  worker::Context* context_;
  Options options_;
  tasks::EvaluationNames names_;
  EpochLog log_;
  std::optional<TensorBoardWriter> events_;
  /// Batches since this process began: TensorBoard's step, as TAO counts.
  int64_t batches_ = 0;
};

}  // namespace trainyard::training
