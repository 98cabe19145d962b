#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/tensor/tensor.h"

namespace trainyard::graph {

/// Runs a network on batches. The training executor and every engine backend implement it, and
/// evaluation, parity checks and calibration know nothing else.
///
/// Not thread-safe: one caller at a time.
class GraphRunner {
 public:
  virtual ~GraphRunner() = default;

  /// Names in the order of Run's arguments and results.
  virtual const std::vector<std::string>& input_names() const = 0;
  virtual const std::vector<std::string>& output_names() const = 0;

  /// Runs one batch. `inputs` are in the order of input_names(), f32, batch first; any batch size
  /// from 1 up unless the backend's documentation limits it. The results are new tensors in host
  /// memory. kInvalidArgument for a wrong count, dtype or shape; kInternal when the runtime fails.
  virtual absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) = 0;
};

}  // namespace trainyard::graph
