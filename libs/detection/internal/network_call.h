#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/detection/decoder.h"
#include "libs/graph/runner.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// A runner seen through the eyes of a decoder: one input, and the decoder's outputs in its order.
/// Remembers how long each batch took. One caller at a time.
class NetworkCall {
 public:
  /// Milliseconds since any moment.
  using Clock = std::function<double()>;
  static double SteadyMs();

  /// `batches` is how many there will be: a runner's first call is slower than all others, so the
  /// first is not measured; when it is the only one it is run a second time, and that is.
  /// kInvalidArgument when the runner has not exactly one input, or lacks an output of the decoder.
  static absl::StatusOr<NetworkCall> Create(GraphRunner& runner, const Decoder& decoder,
                                            int64_t batches, Clock clock = SteadyMs);

  /// Runs f32 [n, C, H, W]; fails as GraphRunner::Run does.
  absl::StatusOr<std::vector<Tensor>> Run(const Tensor& input);

  /// Median over the batches but the first (above) of the time of a batch divided by its images; 0
  /// before the first.
  double MedianMsPerImage() const;

 private:
  NetworkCall(GraphRunner& runner, std::vector<size_t> outputs, int64_t batches, Clock clock)
      : runner_(&runner),
        outputs_(std::move(outputs)),
        repeats_(batches == 1),
        clock_(std::move(clock)) {}
  absl::StatusOr<std::vector<Tensor>> RunTimed(const Tensor& input);
  GraphRunner* runner_;
  std::vector<size_t> outputs_;
  bool repeats_;
  Clock clock_;
  std::vector<double> ms_per_image_;
};

}  // namespace trainyard
