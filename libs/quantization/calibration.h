#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/graph/runner.h"
#include "libs/quantization/calibration_table.h"
#include "libs/tensor/tensor.h"

namespace trainyard::quantization {

/// Merges the ranges of tensors over batches (min-max: T = max|x| later). Not thread-safe.
class RangeObserver {
 public:
  /// Widens the range of `name` by the values of `tensor`. O(size). kInvalidArgument when it is not
  /// f32 or holds a NaN or an infinity; kInvalidArgument for an empty tensor.
  absl::Status Observe(const std::string& name, const Tensor& tensor);
  const std::map<std::string, Range>& ranges() const { return ranges_; }

 private:
  std::map<std::string, Range> ranges_;
};

/// The next batch for the network's one input, f32 [n, c, h, w], or nothing at the end.
using BatchSource = std::function<absl::StatusOr<std::optional<Tensor>>()>;

/// Runs `runner` over all batches and returns the ranges of `names`, each of which is an output of
/// the runner (WithActivationOutputs) or its input. How images are split into batches makes no
/// difference to the result.
///
/// kNotFound names each tensor that the runner does not give; kInvalidArgument when there is no
/// batch at all, for a runner with several inputs, and for values that are not finite (tensor and
/// batch are named). Errors of `next` and of the runner pass through.
absl::StatusOr<CalibrationTable> Calibrate(graph::GraphRunner& runner,
                                           absl::Span<const std::string> names,
                                           const BatchSource& next);

}  // namespace trainyard::quantization
