#include "libs/engine/benchmark.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "libs/base/status.h"

namespace trainyard::engine {
namespace {

constexpr int kWarmUps = 2, kLeastRuns = 5, kMostRuns = 200;

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

absl::StatusOr<BenchmarkResult> Benchmark(EngineRunner& runner, int batch_size, double seconds,
                                          std::stop_token stop) {
  std::vector<Tensor> inputs;
  for (Shape shape : runner.input_shapes()) {
    shape[0] = batch_size;
    TY_ASSIGN_OR_RETURN(Tensor input, Tensor::Create(DType::kFloat32, std::move(shape)));
    inputs.push_back(std::move(input));
  }
  for (int i = 0; i < kWarmUps; ++i) TY_RETURN_IF_ERROR(runner.Run(inputs));
  std::vector<double> times;
  const Clock::time_point start = Clock::now();
  while (times.size() < kLeastRuns ||
         (times.size() < kMostRuns && MillisecondsSince(start) < seconds * 1000)) {
    if (stop.stop_requested()) return absl::CancelledError("stopped while measuring speed");
    const Clock::time_point run = Clock::now();
    TY_RETURN_IF_ERROR(runner.Run(inputs));
    times.push_back(MillisecondsSince(run));
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return BenchmarkResult{batch_size, static_cast<int>(times.size()),
                         times[times.size() / 2] / batch_size};
}

}  // namespace trainyard::engine
