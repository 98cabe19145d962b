#include "libs/data/internal/python_random.h"

#include <algorithm>

namespace trainyard::data::internal {

PythonRandom::PythonRandom(uint64_t seed) {
  state_[0] = 19650218u;
  for (int i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + static_cast<uint32_t>(i);
  }
  std::vector<uint32_t> key = {static_cast<uint32_t>(seed)};
  if (seed >> 32 != 0) key.push_back(static_cast<uint32_t>(seed >> 32));
  int i = 1;
  const auto advance = [this, &i] {
    if (++i == kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  const auto mixed = [this, &i](uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  for (int k = 0; k < kWords; ++k) {
    const size_t j = static_cast<size_t>(k) % key.size();
    state_[i] = mixed(1664525u) + key[j] + static_cast<uint32_t>(j);
    advance();
  }
  for (int k = 1; k < kWords; ++k) {
    state_[i] = mixed(1566083941u) - static_cast<uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

uint32_t PythonRandom::Next() {
  if (used_ == kWords) {
    for (int i = 0; i < kWords; ++i) {
      const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7FFFFFFFu);
      state_[i] = state_[(i + 397) % kWords] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908B0DFu : 0u);
    }
    used_ = 0;
  }
  uint32_t y = state_[used_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680u;
  y ^= (y << 15) & 0xEFC60000u;
  return y ^ (y >> 18);
}

uint64_t PythonRandom::Below(uint64_t n) {
  int bits = 0;
  for (uint64_t rest = n; rest != 0; rest >>= 1) ++bits;
  uint64_t value;
  do {
    value = Next() >> (32 - std::min(bits, 32));
  } while (value >= n);
  return value;
}

}  // namespace trainyard::data::internal
