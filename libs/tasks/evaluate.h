#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/prepared_source.h"
#include "libs/graph/runner.h"
#include "libs/tasks/run_images.h"
#include "libs/tasks/task.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::tasks {

struct EvaluationResult {
  /// Never null in what Evaluate returns.
  std::shared_ptr<const Evaluation> evaluation;
  RunCounts run;

  /// Those of the evaluation, then `ms_per_image` (the network) with `latency_batch_size`, and
  /// `images_per_second` (all of it).
  std::vector<trainyard::v1::Metric> Metrics() const;
};

/// Judges a network on labelled images. kInvalidArgument when the runner lacks an output that the
/// evaluator needs; kFailedPrecondition when there is no image to judge; otherwise fails as RunImages
/// and the evaluator do.
absl::StatusOr<EvaluationResult> Evaluate(graph::GraphRunner& runner, Evaluator& evaluator,
                                          std::shared_ptr<const data::PreparedSource> source,
                                          const RunOptions& options);

}  // namespace trainyard::tasks
