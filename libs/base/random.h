#pragma once

#include <array>
#include <cstdint>

namespace trainyard {

/// What a stream of random numbers is for; streams of different purposes never overlap. Append only:
/// the numbers are part of what makes a training reproducible.
enum class RandomPurpose : uint32_t {
  kInitialization = 1,
  kOrder = 2,
  kAugmentation = 3,
  kPartition = 4,
  kSampleData = 5,
  kOfflineAugmentation = 6,
  kCalibration = 7,
  kBootstrap = 8,
};

/// Philox-4x32-10 (Salmon et al., SC'11): a counter-based generator. The stream is a pure function of
/// (seed, epoch, sample, purpose), so any thread or rank that asks gets the same numbers.
/// Not thread-safe; make one per stream, it costs nothing.
class Philox {
 public:
  using result_type = uint32_t;
  Philox(uint64_t seed, uint32_t epoch, uint64_t sample, RandomPurpose purpose);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xFFFFFFFFu; }
  result_type operator()();

  /// Uniform in [0, 1), 53 bits.
  double Uniform();
  /// Uniform in [low, high).
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  /// Uniform integer in [0, n), without bias. n >= 1.
  uint64_t Below(uint64_t n);
  /// Standard normal (Box-Muller).
  double Normal();
  /// True with probability p: U(0,1) >= 1 - p, as TAO decides.
  bool Chance(double p) { return Uniform() >= 1.0 - p; }

 private:
  void Refill();
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace trainyard
