#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/runner.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// How long a network takes, warm: the median over runs of one batch, divided by its images.
struct Latency {
  double ms_per_image = 0;
  int batch_size = 0;
  int runs = 0;
};

/// A runner as a head sees it: one input, and the outputs that the head reads, in its order. Keeps
/// the largest batch that it ran, to measure with. One caller at a time.
class NetworkCall {
 public:
  /// Milliseconds since any moment.
  using Clock = std::function<double()>;
  static double SteadyMs();

  /// kInvalidArgument when the runner has not exactly one input, or lacks one of `outputs`.
  static absl::StatusOr<NetworkCall> Create(graph::GraphRunner& runner,
                                            const std::vector<std::string>& outputs,
                                            Clock clock = SteadyMs);

  /// Runs f32 [n, C, H, W]; fails as GraphRunner::Run does.
  absl::StatusOr<std::vector<Tensor>> Run(const Tensor& input);

  /// Runs the largest batch so far again: twice to warm up (its shape may not have been the last),
  /// then three to eleven times, for a second when that suffices. All zeros before the first Run.
  absl::StatusOr<Latency> MeasureLatency();

 private:
  NetworkCall(graph::GraphRunner& runner, std::vector<size_t> outputs, Clock clock)
      : runner_(&runner), outputs_(std::move(outputs)), clock_(std::move(clock)) {}
  graph::GraphRunner* runner_;
  std::vector<size_t> outputs_;
  Clock clock_;
  std::optional<Tensor> largest_;
};

}  // namespace trainyard::tasks
