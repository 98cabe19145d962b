#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/detection/decoder.h"
#include "libs/detection/evaluator.h"
#include "libs/graph/runner.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// A runner seen through the eyes of a decoder: one input, and the decoder's outputs in its order.
/// Keeps the largest batch that it ran, to measure with. One caller at a time.
class NetworkCall {
 public:
  /// Milliseconds since any moment.
  using Clock = std::function<double()>;
  static double SteadyMs();

  /// kInvalidArgument when the runner has not exactly one input, or lacks an output of the decoder.
  static absl::StatusOr<NetworkCall> Create(GraphRunner& runner, const Decoder& decoder,
                                            Clock clock = SteadyMs);

  /// Runs f32 [n, C, H, W]; fails as GraphRunner::Run does.
  absl::StatusOr<std::vector<Tensor>> Run(const Tensor& input);

  /// Runs the largest batch so far again: twice to warm up (its shape may not have been the last),
  /// then three to eleven times, for a second when that suffices. All zeros before the first Run.
  absl::StatusOr<Latency> MeasureLatency();

 private:
  NetworkCall(GraphRunner& runner, std::vector<size_t> outputs, Clock clock)
      : runner_(&runner), outputs_(std::move(outputs)), clock_(std::move(clock)) {}
  GraphRunner* runner_;
  std::vector<size_t> outputs_;
  Clock clock_;
  std::optional<Tensor> largest_;
};

}  // namespace trainyard
