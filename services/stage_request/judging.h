#pragma once

#include <string>
#include <vector>

#include "services/stage_request/stage_request.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard {

/// TAO's -t when it is absent.
inline constexpr double kDefaultThreshold = 0.3;

/// Work for a worker that judges a model: the same questions, whether checkpoints (train) or
/// engines (convert-engine) run. The caller adds what only its kind of model has, then asks
/// Status().
struct Judging {
  worker::v1::WorkerJob job;
  /// The spec's, for the operation.
  std::vector<std::string> warnings;
};

/// Asks for the spec, input `model` and output `results`; fills `job.evaluate`. `matching` is
/// options.matching.
Judging AskEvaluation(StageRequest& request, const std::string& matching, bool strict);

/// Asks for the spec, inputs `model` and `images`, outputs `images` and `labels`; fills
/// `job.infer`. `threshold` is options.threshold.
Judging AskInference(StageRequest& request, double threshold);

}  // namespace trainyard
