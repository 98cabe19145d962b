#include "libs/tasks/evaluate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/tasks/speed.h"

namespace trainyard::tasks {

std::vector<trainyard::v1::Metric> EvaluationResult::Metrics() const {
  std::vector<trainyard::v1::Metric> metrics = evaluation->Metrics();
  AddSpeedMetrics(run, metrics);
  return metrics;
}

absl::StatusOr<EvaluationResult> Evaluate(graph::GraphRunner& runner, Evaluator& evaluator,
                                          std::shared_ptr<const data::PreparedSource> source,
                                          const RunOptions& options) {
  TY_ASSIGN_OR_RETURN(NetworkCall network, NetworkCall::Create(runner, evaluator.output_names()));
  const int64_t samples = source->size();
  EvaluationResult result;
  TY_ASSIGN_OR_RETURN(
      result.run, RunImages(network, std::move(source), options, "evaluation",
                            [&](const data::Batch& batch, absl::Span<const Tensor> outputs) {
                              return evaluator.Add(batch, outputs);
                            }));
  if (result.run.images == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no image to evaluate on (", samples, " in the source)"));
  }
  TY_ASSIGN_OR_RETURN(result.evaluation, evaluator.Finish());
  return result;
}

}  // namespace trainyard::tasks
