#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace trainyard::pruning {

/// Which channels of a layer survive. Names and defaults are those of TAO's prune command.
struct SelectionRule {
  /// A channel counts when its normalized norm is strictly above this; both are compared as float.
  /// Finite. TAO -pth.
  double threshold = 0.1;
  /// The kept count is rounded up to a multiple of this, so that kernels stay aligned. >= 1. TAO
  /// -pg.
  int64_t granularity = 8;
  /// Fewest channels kept, applied before the rounding. >= 0; 0 keeps one, too. TAO -nf.
  int64_t min_channels = 16;
};

/// kInvalidArgument with every range that `rule` breaks.
absl::Status Validate(const SelectionRule& rule);

/// Returns the indices of the channels that stay: ascending, at most `norms.size()` of them.
///
/// `norms` has shape [C], one value per output channel; NaN counts as 0. The threshold settles how
/// many stay; which ones is always the largest, the lower index first among equals.
/// O(C log C); a pure function, so any number of threads may call it.
///
/// Fails as Validate does.
///
/// Source: magnitude criterion of Molchanov et al., arXiv:1611.06440; TAO prune -pth, -pg, -nf.
absl::StatusOr<std::vector<int64_t>> SelectChannels(absl::Span<const float> norms,
                                                    const SelectionRule& rule);

}  // namespace trainyard::pruning
