#include "libs/pruning/internal/advice.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard::pruning::internal {
namespace {

/// Less than this of the parameters is as good as nothing, more than that needs a word.
constexpr double kHardlyAny = 0.01;
constexpr double kMost = 0.9;

/// A threshold as one types it: rounded up, so that it removes no less.
double Typed(double threshold) { return std::ceil(threshold * 1e4) / 1e4; }

/// " -pth 0.9312 removes about 30 %, 0.9544 50 %, ...": those that can be reached.
absl::StatusOr<std::string> Alternatives(const Plan& plan) {
  std::vector<std::string> ways;
  for (const double part : {0.3, 0.5, 0.7}) {
    const absl::StatusOr<double> threshold = plan.ThresholdFor(part);
    if (threshold.ok()) {
      ways.push_back(absl::StrFormat("%.4f removes %.0f %%", Typed(*threshold), 100 * part));
    } else if (ways.empty()) {
      // Without the part, for which nobody asked.
      const absl::string_view why = threshold.status().message();
      return std::string(why.substr(0, why.find("; asked for")));
    } else {
      break;
    }
  }
  return absl::StrCat("a threshold (-pth) of ", absl::StrJoin(ways, ", of "),
                      "; or say how much is to go: --remove 0.5");
}

}  // namespace

absl::StatusOr<std::vector<std::string>> AdviceOn(const Plan& plan, const PruneOptions& options,
                                                  const PruneResult& result) {
  std::vector<std::string> advice;
  const double removed = 1 - result.ratio;
  const std::vector<float> scores = plan.Thresholds();
  if (removed < kHardlyAny) {
    const std::string what =
        result.parameters_after == result.parameters_before
            ? "nothing was removed"
            : absl::StrFormat("hardly anything was removed (%.2f %% of the parameters)",
                              100 * removed);
    TY_ASSIGN_OR_RETURN(const std::string ways, Alternatives(plan));
    advice.push_back(
        absl::StrFormat("%s with a threshold of %g: %s", what, options.threshold, ways));
  } else if (options.threshold >= scores.back()) {
    advice.push_back(absl::StrFormat(
        "the threshold %g is not below any score (the largest is %g), so every layer that may be "
        "pruned went down to its minimum (min_num_filters %d, granularity %d): %.1f %% of the "
        "parameters were removed",
        options.threshold, scores.back(), options.min_filters, options.granularity, 100 * removed));
  } else if (removed > kMost) {
    advice.push_back(absl::StrFormat(
        "%.1f %% of the parameters were removed; a smaller threshold than %g, or --remove 0.5, "
        "leaves more to train",
        100 * removed, options.threshold));
  }
  for (const KeptLayers& kept : plan.map().kept()) {
    advice.push_back(absl::StrFormat("'%s' %s all channels: %s", absl::StrJoin(kept.layers, "', '"),
                                     kept.layers.size() == 1 ? "keeps" : "keep", kept.reason));
  }
  return advice;
}

}  // namespace trainyard::pruning::internal
