#pragma once

#include "absl/status/statusor.h"
#include "libs/worker/runtime.h"

namespace trainyard::engine_worker {

/// `.etlt` -> `.engine` (TAO `converter`). INT8 takes its ranges from the task's table, else from
/// the export's `calibration` section, else from the task's images; without any it fails with
/// kFailedPrecondition that names the three ways. Writes the engine, and for INT8
/// `<engine>.quantization.json`.
absl::StatusOr<worker::Finished> BuildEngineFile(worker::Context& context);

/// Observes a model's activations on images and writes the table.
absl::StatusOr<worker::Finished> CalibrateModel(worker::Context& context);

/// Judges an `.engine` on the spec's validation data.
absl::StatusOr<worker::Finished> EvaluateEngine(worker::Context& context);

/// Finds objects with an `.engine`.
absl::StatusOr<worker::Finished> InferWithEngine(worker::Context& context);

}  // namespace trainyard::engine_worker
