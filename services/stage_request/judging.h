#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/stage_request/stage_request.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::services {

/// Work for a worker that judges a model: the same questions, whether checkpoints (train) or
/// engines (convert-engine) run. The caller adds what only its kind of model has, then asks
/// Status().
struct Judging {
  worker::v1::WorkerJob job;
  /// The spec's, for the operation.
  std::vector<std::string> warnings;
  /// What names the model that is judged, for messages: the input, or the spec's field.
  std::string model_field = "stage.inputs[model]";
};

/// Asks for the spec, input `model` (the spec's own when it is not given and the spec names one) and
/// output `results`; fills `job.evaluate`. `matching` is options.matching, which the network's task
/// must know.
Judging AskEvaluation(StageRequest& request, const std::string& matching, bool strict);

/// Asks for the spec, inputs `model` and `images`, outputs `images` and `labels`; fills
/// `job.infer`. `threshold` is options.threshold; nothing is the task's own.
Judging AskInference(StageRequest& request, std::optional<double> threshold);

}  // namespace trainyard::services
