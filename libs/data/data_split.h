#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace trainyard::data {

/// A picture as a split sees it.
struct SplitItem {
  /// Items of one group stay together (near duplicates). >= 0, below the number of items.
  int group = 0;
  /// Its classes, each once.
  std::vector<int> classes;
};

/// Chooses validation items: about `share` of all, and about `share` of the items of each class, the
/// rarest first, of a class with two items or more at least one. Groups go whole; one that is larger
/// than what is still wanted stays in training. Gives whether each item is validation; at least one is
/// and one is not, when there are two groups. A pure function of its arguments.
std::vector<bool> ChooseValidation(absl::Span<const SplitItem> items, double share, uint64_t seed);

}  // namespace trainyard::data
