#pragma once

#include "absl/status/statusor.h"
#include "libs/worker/runtime.h"

namespace trainyard::training {

/// Judges a `.tlt` or `.etlt` on the spec's validation data, as `context.job.evaluate` says.
///
/// Outputs and metrics: what libs/judging adds; parameters, macs.
///
/// Fails as LoadModel does; kInvalidArgument when the model is of another network or other classes than
/// the spec, or the spec names no validation data; kCancelled on request.
absl::StatusOr<worker::Finished> EvaluateModel(worker::Context& context);

/// Predicts with a `.tlt` or `.etlt`, as `context.job.infer` says. Outputs and
/// metrics: what libs/judging adds; parameters, macs.
absl::StatusOr<worker::Finished> InferImages(worker::Context& context);

}  // namespace trainyard::training
