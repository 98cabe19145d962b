#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/tasks/evaluate.h"

namespace trainyard::tasks {

/// The text of results.json: what the evaluation says (Evaluation::Json), `images`, `images_skipped`,
/// and `ms_per_image` with `latency_batch_size` when it was measured. NaN is written as null. Ends in
/// a line break.
std::string ResultsJson(const EvaluationResult& result);

/// Writes `<folder>/results.json`, the evaluation's own files beside it, and a line into
/// `<folder>/status.json`. The folder is made.
absl::Status WriteResults(const std::string& folder, const EvaluationResult& result,
                          absl::Time now);

}  // namespace trainyard::tasks
