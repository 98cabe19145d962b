#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace trainyard::data::internal {

/// Calls `work(i)` for every i in [0, n), on up to `threads` threads, and returns when all are
/// done. The order of the calls is not defined; `work` must not throw.
inline void ParallelFor(int64_t n, int threads, const std::function<void(int64_t)>& work) {
  std::atomic<int64_t> next{0};
  const auto drain = [&] {
    for (int64_t i = next++; i < n; i = next++) work(i);
  };
  std::vector<std::jthread> others;
  const int64_t wanted = std::min<int64_t>(threads, n);
  for (int64_t t = 1; t < wanted; ++t) others.emplace_back(drain);
  drain();
}

}  // namespace trainyard::data::internal
