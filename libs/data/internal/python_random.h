#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace trainyard::data::internal {

/// Python's `random.Random(seed)`, as far as TAO's converter uses it: MT19937 seeded by the words
/// of the seed (Matsumoto and Nishimura's init_by_array), and `shuffle`. Not thread-safe.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);

  /// Fisher-Yates from the end; each index by rejection from the fewest bits that can hold it.
  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  static constexpr int kWords = 624;

  uint32_t Next();
  uint64_t Below(uint64_t n);

  uint32_t state_[kWords];
  int used_ = kWords;
};

}  // namespace trainyard::data::internal
