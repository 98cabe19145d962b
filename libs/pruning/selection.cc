#include "libs/pruning/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::pruning {
namespace {

float ZeroIfNan(float value) { return std::isnan(value) ? 0.0f : value; }

int64_t CountToKeep(absl::Span<const float> norms, const SelectionRule& rule) {
  const float threshold = static_cast<float>(rule.threshold);
  const int64_t channels = static_cast<int64_t>(norms.size());
  int64_t count = std::count_if(norms.begin(), norms.end(),
                                [threshold](float n) { return ZeroIfNan(n) > threshold; });
  // A layer without channels is no network: engines refuse it, and nothing behind it can learn.
  count = std::max(count, std::min(std::max<int64_t>(rule.min_channels, 1), channels));
  const int64_t over = count % rule.granularity;
  // In terms of what is missing, so that a huge granularity cannot overflow.
  if (over != 0 && rule.granularity - over > channels - count) return channels;
  if (over != 0) count += rule.granularity - over;
  return count;
}

}  // namespace

absl::Status Validate(const SelectionRule& rule) {
  Problems problems;
  if (!std::isfinite(rule.threshold)) {
    problems.Add("threshold", "is %g; expected a finite number", rule.threshold);
  }
  if (rule.granularity < 1) {
    problems.Add("granularity", "is %d; expected at least 1", rule.granularity);
  }
  if (rule.min_channels < 0) {
    problems.Add("min_channels", "is %d; expected at least 0", rule.min_channels);
  }
  return problems.ToStatus();
}

absl::StatusOr<std::vector<int64_t>> SelectChannels(absl::Span<const float> norms,
                                                    const SelectionRule& rule) {
  TY_RETURN_IF_ERROR(Validate(rule));
  std::vector<int64_t> kept(norms.size());
  std::iota(kept.begin(), kept.end(), 0);
  std::stable_sort(kept.begin(), kept.end(), [norms](int64_t a, int64_t b) {
    return ZeroIfNan(norms[a]) > ZeroIfNan(norms[b]);
  });
  kept.resize(CountToKeep(norms, rule));
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace trainyard::pruning
