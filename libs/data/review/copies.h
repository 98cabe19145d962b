#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "libs/data/review/fingerprint.h"

namespace trainyard::data {

/// Pictures that are copies of each other: of the first, or of one that is a copy of it.
struct CopyGroup {
  /// Indices into the list, ascending; at least two.
  std::vector<int64_t> members;
  /// All files hold the same bytes.
  bool same_bytes = false;
  /// Of the pairs that made the group the one that is least alike: 1 for the same bytes.
  double least_likeness = 1;
};

struct Copies {
  /// By their first members.
  std::vector<CopyGroup> groups;
  /// Pairs of near hashes that were not looked at (FindNear).
  int64_t left_out = 0;
};

/// Groups of copies: equal digests, or hashes at most kCopyDistance bits apart and fields at least
/// kCopyLikeness alike. Absent fingerprints (pictures that cannot be read) belong to no group; plain
/// ones by their bytes alone. The answer does not depend on `threads`. Costs as FindNear.
Copies FindCopies(absl::Span<const std::optional<Fingerprint>> prints, int threads);

}  // namespace trainyard::data
