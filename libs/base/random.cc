#include "libs/base/random.h"

#include <cmath>

namespace trainyard {

Philox::Philox(uint64_t seed, uint32_t epoch, uint64_t sample, RandomPurpose purpose)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      // Word 0 counts blocks; the others name the stream. Purpose and epoch share a word: 8 + 24 bits.
      counter_{0, static_cast<uint32_t>(sample), static_cast<uint32_t>(sample >> 32),
               (static_cast<uint32_t>(purpose) << 24) ^ epoch} {}

void Philox::Refill() {
  std::array<uint32_t, 4> c = counter_;
  std::array<uint32_t, 2> k = key_;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  block_ = c;
  used_ = 0;
  ++counter_[0];
}

Philox::result_type Philox::operator()() {
  if (used_ == 4) Refill();
  return block_[used_++];
}

double Philox::Uniform() {
  const uint64_t high = (*this)() >> 5;  // 27 bits
  const uint64_t low = (*this)() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1.0p-53;
}

uint64_t Philox::Below(uint64_t n) {
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % n + 1) % n;
  uint64_t value;
  do {
    value = (static_cast<uint64_t>((*this)()) << 32) | (*this)();
  } while (value > limit);
  return value % n;
}

double Philox::Normal() {
  const double u = 1.0 - Uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * Uniform());
}

}  // namespace trainyard
