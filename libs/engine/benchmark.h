#pragma once

#include <stop_token>

#include "absl/status/statusor.h"
#include "libs/engine/backend.h"

namespace trainyard::engine {

/// Times of one batch size.
struct BenchmarkResult {
  int batch_size = 0;
  int runs = 0;
  /// Median over the runs, of a batch's time divided by its images.
  double ms_per_image = 0;
};

/// Runs batches of zeros: two to warm up, then at least 5 and at most 200 runs, until about
/// `seconds` are over. `batch_size` 1 to the runner's maximum. Times are those of the network
/// alone, copies of in- and outputs included. Fails as GraphRunner::Run, and with kCancelled once a
/// stop is asked for.
absl::StatusOr<BenchmarkResult> Benchmark(EngineRunner& runner, int batch_size, double seconds,
                                          std::stop_token stop = {});

}  // namespace trainyard::engine
