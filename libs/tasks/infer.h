#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/findings.h"
#include "libs/graph/runner.h"
#include "libs/tasks/run_images.h"
#include "libs/tasks/task.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::tasks {

struct InferenceResult {
  RunCounts run;
  /// What was noticed: pictures that were turned upright, and what the writer tells.
  data::Findings findings;
};

/// Runs a network on image files and has `writer` write what it predicts. Nothing is written before
/// the options are checked and the writer's Open agreed; its Finish is called when all images are done.
/// kInvalidArgument when the runner lacks an
/// output that the writer needs; otherwise fails as RunImages and the writer do.
absl::StatusOr<InferenceResult> Infer(graph::GraphRunner& runner,
                                      const model::v1::Preprocess& preprocess,
                                      PredictionWriter& writer,
                                      absl::Span<const std::string> image_paths,
                                      const RunOptions& options);

}  // namespace trainyard::tasks
