#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "absl/status/statusor.h"
#include "libs/data/loader.h"
#include "libs/data/prepared_source.h"
#include "libs/data/sample.h"
#include "libs/networks/network.h"
#include "libs/tasks/evaluate.h"
#include "libs/tasks/task.h"
#include "libs/training/executor.h"
#include "libs/training/losses/loss.h"

namespace trainyard::training {

/// What an epoch's validation measured.
struct ValidationResult {
  tasks::EvaluationResult evaluation;
  /// The losses of the batches, weighed by Loss::ValidationWeight, over the images. No regularization.
  double loss = 0;
};

/// Judges the network in training on its validation data. Not thread-safe.
class Validation {
 public:
  /// `network` and `record` outlive this. kInvalidArgument / kUnimplemented when the record has no head.
  /// `runs_ahead` as in RunOptions.
  static absl::StatusOr<Validation> Create(const networks::Network& network,
                                           const ModelRecord& record,
                                           std::shared_ptr<const data::SampleSource> source,
                                           int loader_threads, bool runs_ahead);

  /// Runs `executor` in inference mode over the whole set; `loss` is the training's. kCancelled on
  /// request.
  absl::StatusOr<ValidationResult> Run(Executor& executor, Loss& loss, std::stop_token stop);

 private:
  Validation(const networks::Network& network, const ModelRecord& record,
             std::shared_ptr<const data::PreparedSource> source, std::unique_ptr<tasks::Head> head,
             int loader_threads, bool runs_ahead)
      : network_(&network),
        record_(&record),
        source_(std::move(source)),
        head_(std::move(head)),
        loader_threads_(loader_threads),
        runs_ahead_(runs_ahead) {}
  absl::StatusOr<double> BatchLoss(const data::Batch& batch, absl::Span<const Tensor> outputs,
                                   Loss& loss, absl::Span<const std::string> graph_outputs) const;

  const networks::Network* network_;
  const ModelRecord* record_;
  std::shared_ptr<const data::PreparedSource> source_;
  std::unique_ptr<tasks::Head> head_;
  int loader_threads_;
  bool runs_ahead_;
};

}  // namespace trainyard::training
