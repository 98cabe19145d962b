#include "libs/data/review/near_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "libs/data/internal/parallel.h"

namespace trainyard::data {
namespace {

constexpr int kQuarters = 4, kQuarterBits = 16;
constexpr size_t kBuckets = size_t{1} << kQuarterBits;
// Hashes that a thread looks up at a time.
constexpr int64_t kBlock = 256;

size_t Quarter(uint64_t hash, int quarter) {
  return (hash >> (quarter * kQuarterBits)) & (kBuckets - 1);
}

// Of hashes that differ by up to `radius` bits, one quarter at least differs by no more than this: were
// it more in all four, the bits would be at least radius + 1. -1: the other quarters suffice.
int QuarterRadius(int radius, int quarter) {
  return radius / kQuarters - (quarter <= radius % kQuarters ? 0 : 1);
}

struct Entry {
  uint64_t hash;
  int64_t index;
};

// The hashes by one of their quarters.
class Table {
 public:
  Table(absl::Span<const uint64_t> hashes, int quarter) : begins_(kBuckets + 1, 0) {
    for (const uint64_t hash : hashes) ++begins_[Quarter(hash, quarter) + 1];
    for (size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
    entries_.resize(hashes.size());
    std::vector<size_t> next(begins_.begin(), begins_.end() - 1);
    for (size_t i = 0; i < hashes.size(); ++i) {
      entries_[next[Quarter(hashes[i], quarter)]++] = {hashes[i], static_cast<int64_t>(i)};
    }
  }
  // In the order of the list.
  absl::Span<const Entry> Bucket(size_t value) const {
    return absl::MakeConstSpan(entries_).subspan(begins_[value],
                                                 begins_[value + 1] - begins_[value]);
  }

 private:
  std::vector<size_t> begins_;
  std::vector<Entry> entries_;
};

// The ways in which a quarter may differ, by the number of bits: masks[r] up to r bits.
std::vector<size_t> MasksUpTo(int bits) {
  std::vector<size_t> masks;
  for (size_t mask = 0; mask < kBuckets; ++mask) {
    if (std::popcount(mask) <= bits) masks.push_back(mask);
  }
  return masks;
}

class Index {
 public:
  Index(absl::Span<const uint64_t> hashes, int radius) : hashes_(hashes), radius_(radius) {
    for (int q = 0; q < kQuarters; ++q) {
      radii_[q] = QuarterRadius(radius, q);
      masks_[q] = MasksUpTo(radii_[q]);
      tables_.emplace_back(hashes, q);
    }
  }

  // The near ones before item `b`.
  std::vector<NearPair> Before(int64_t b) const {
    std::vector<NearPair> near;
    const uint64_t hash = hashes_[static_cast<size_t>(b)];
    for (int q = 0; q < kQuarters; ++q) {
      for (const size_t mask : masks_[q]) {
        for (const Entry& entry : tables_[q].Bucket(Quarter(hash, q) ^ mask)) {
          if (entry.index >= b) break;
          const int distance = std::popcount(entry.hash ^ hash);
          if (distance > radius_ || WasFoundBy(q, entry.hash ^ hash)) continue;
          near.push_back({entry.index, b, distance});
        }
      }
    }
    return near;
  }

 private:
  // Whether a quarter before `q` finds the pair, too.
  bool WasFoundBy(int q, uint64_t difference) const {
    for (int before = 0; before < q; ++before) {
      if (std::popcount(Quarter(difference, before)) <= radii_[before]) return true;
    }
    return false;
  }

  absl::Span<const uint64_t> hashes_;
  int radius_;
  std::array<int, kQuarters> radii_;
  std::array<std::vector<size_t>, kQuarters> masks_;
  std::vector<Table> tables_;
};

void KeepNearest(std::vector<NearPair>& near, int most) {
  std::sort(near.begin(), near.end(), [](const NearPair& x, const NearPair& y) {
    return std::tie(x.distance, x.a) < std::tie(y.distance, y.a);
  });
  if (near.size() > static_cast<size_t>(most)) near.resize(static_cast<size_t>(most));
}

}  // namespace

NearPairs FindNear(absl::Span<const uint64_t> hashes, int radius, int most, int threads) {
  const Index index(hashes, radius);
  const auto count = static_cast<int64_t>(hashes.size());
  std::vector<NearPairs> blocks(static_cast<size_t>((count + kBlock - 1) / kBlock));
  internal::ParallelFor(static_cast<int64_t>(blocks.size()), threads, [&](int64_t block) {
    NearPairs& found = blocks[static_cast<size_t>(block)];
    for (int64_t b = block * kBlock; b < std::min(count, (block + 1) * kBlock); ++b) {
      std::vector<NearPair> near = index.Before(b);
      const size_t seen = near.size();
      KeepNearest(near, most);
      found.left_out += static_cast<int64_t>(seen - near.size());
      found.pairs.insert(found.pairs.end(), near.begin(), near.end());
    }
  });
  NearPairs all;
  for (const NearPairs& found : blocks) {
    all.pairs.insert(all.pairs.end(), found.pairs.begin(), found.pairs.end());
    all.left_out += found.left_out;
  }
  return all;
}

}  // namespace trainyard::data
