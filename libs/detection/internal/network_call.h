#pragma once

#include <cstdint>
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
  /// kInvalidArgument when the runner has not exactly one input, or lacks an output of the decoder.
  static absl::StatusOr<NetworkCall> Create(GraphRunner& runner, const Decoder& decoder);

  /// Runs f32 [n, C, H, W]; fails as GraphRunner::Run does.
  absl::StatusOr<std::vector<Tensor>> Run(const Tensor& input);

  /// Median over batches of the time of a batch divided by its images; 0 before the first.
  double MedianMsPerImage() const;

 private:
  NetworkCall(GraphRunner& runner, std::vector<size_t> outputs)
      : runner_(&runner), outputs_(std::move(outputs)) {}
  GraphRunner* runner_;
  std::vector<size_t> outputs_;
  std::vector<double> ms_per_image_;
};

}  // namespace trainyard
