#include "libs/engine/subset.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"

namespace trainyard::engine {
namespace {

/// Part `index` of `pieces` nearly equal parts of `all`, or all that is not in it.
std::vector<size_t> Part(const std::vector<size_t>& all, size_t pieces, size_t index, bool rest) {
  const size_t begin = all.size() * index / pieces, end = all.size() * (index + 1) / pieces;
  std::vector<size_t> part;
  for (size_t i = 0; i < all.size(); ++i) {
    if ((i >= begin && i < end) != rest) part.push_back(all[i]);
  }
  return part;
}

}  // namespace

absl::StatusOr<std::vector<size_t>> SmallSubset(
    size_t count, int most_tests,
    const std::function<absl::StatusOr<bool>(const std::vector<size_t>&)>& holds) {
  std::vector<size_t> best;
  for (size_t i = 0; i < count; ++i) best.push_back(i);
  size_t pieces = 2;
  int tests = 0;
  while (best.size() > 1) {
    bool smaller = false;
    // Each part alone, then all but each part; with two parts the second is the same again.
    for (const bool rest : {false, true}) {
      for (size_t i = 0; i < pieces && !smaller && !(rest && pieces == 2); ++i) {
        if (tests++ == most_tests) return best;
        std::vector<size_t> part = Part(best, pieces, i, rest);
        TY_ASSIGN_OR_RETURN(smaller, holds(part));
        if (!smaller) continue;
        best = std::move(part);
        pieces = rest ? std::max<size_t>(pieces - 1, 2) : 2;
      }
    }
    if (smaller) {
      pieces = std::min(pieces, std::max<size_t>(best.size(), 2));
    } else if (pieces < best.size()) {
      pieces = std::min(pieces * 2, best.size());
    } else {
      break;
    }
  }
  return best;
}

}  // namespace trainyard::engine
