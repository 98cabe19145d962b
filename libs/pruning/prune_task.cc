#include "libs/pruning/prune_task.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace trainyard::pruning {
namespace {

template <typename Value>
absl::StatusOr<Value> Named(absl::string_view what, const std::string& name,
                            const std::map<std::string, Value>& values) {
  const auto found = values.find(name);
  if (found != values.end()) return found->second;
  return absl::InvalidArgumentError(absl::StrCat("no ", what, " has the name '", name, "'"));
}

}  // namespace

absl::StatusOr<PruneOptions> PruneOptionsOf(const worker::v1::PruneTask& task) {
  PruneOptions options;
  TY_ASSIGN_OR_RETURN(options.normalizer,
                      Named<Normalizer>("normalizer", task.normalizer(),
                                        {{"max", Normalizer::kMax}, {"L2", Normalizer::kL2}}));
  TY_ASSIGN_OR_RETURN(options.equalization,
                      Named<Equalization>("equalization criterion", task.equalization_criterion(),
                                          {{"union", Equalization::kUnion},
                                           {"intersection", Equalization::kIntersection},
                                           {"arithmetic_mean", Equalization::kArithmeticMean},
                                           {"geometric_mean", Equalization::kGeometricMean}}));
  options.granularity = task.granularity();
  options.threshold = task.threshold();
  options.min_filters = task.min_num_filters();
  options.excluded_layers.assign(task.excluded_layers().begin(), task.excluded_layers().end());
  options.tao_compat = task.tao_compat();
  TY_RETURN_IF_ERROR(Validate(options));
  return options;
}

}  // namespace trainyard::pruning
