#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace trainyard::data {

/// Two items of a list whose hashes are near.
struct NearPair {
  /// a < b.
  int64_t a = 0, b = 0;
  /// Bits by which they differ.
  int distance = 0;
  bool operator==(const NearPair&) const = default;
};

struct NearPairs {
  /// By b, then distance, then a.
  std::vector<NearPair> pairs;
  /// Pairs that are near and are not listed, for each had `most` nearer ones.
  int64_t left_out = 0;
};

/// All pairs of hashes that differ by at most `radius` bits; of each with those before it the `most`
/// nearest (the first among equals), so that a thousand pictures of a standing camera are not half a
/// million pairs. 0 <= radius < 24. The answer does not depend on `threads`.
///
/// Each hash is looked up by its four quarters: of 16 bits, the quarters of a near one differ by a
/// fourth of the radius at most in one of them. Cost: O(n) look-ups for hashes that lie apart, some
/// hundred compared ones each at 100,000; all pairs only where all are near.
/// Source: Norouzi, Punjani, Fleet, Fast Search in Hamming Space with Multi-Index Hashing, CVPR 2012.
NearPairs FindNear(absl::Span<const uint64_t> hashes, int radius, int most, int threads);

}  // namespace trainyard::data
