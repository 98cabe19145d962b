#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/loader.h"
#include "libs/networks/network.h"
#include "libs/training/executor.h"
#include "libs/training/losses/loss.h"

namespace trainyard::training {

/// What a training computes of a batch: forwards, the loss, backwards. Most networks do this as
/// MakeLossStep does; one with proposals, two graphs or a teacher has a step of its own. Not
/// thread-safe.
class TrainingStep {
 public:
  virtual ~TrainingStep() = default;
  /// Leaves the gradients in the executor's parameters and returns the loss without regularization.
  /// kCancelled when the executor was asked to stop.
  virtual absl::StatusOr<double> Run(Executor& executor, const data::Batch& batch) = 0;
};

/// Runs the graph on the batch's images and compares its outputs with the batch's targets. `loss`
/// outlives the step.
std::unique_ptr<TrainingStep> MakeLossStep(Loss& loss);

}  // namespace trainyard::training
