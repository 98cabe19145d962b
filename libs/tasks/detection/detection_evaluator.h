#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/task.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::tasks {

/// Judges a detector; Finish makes a DetectionEvaluation. Boxes are compared in pixels of the
/// network input for kTao (detections rounded half to even and clipped to [0, W] x [0, H], objects
/// as BoxesToInput has them), and in pixels of the original image, as they are, for kVoc and kCoco.
///
/// With `explanation` the result has an Explanation (explanation.h), which costs time and memory.
///
/// `decoder` outlives the evaluator. kInvalidArgument when the record has no class or the plan
/// breaks its ranges.
absl::StatusOr<std::unique_ptr<Evaluator>> MakeDetectionEvaluator(
    const Decoder& decoder, const model::v1::ModelRecord& record, const EvaluationPlan& plan,
    std::optional<ExplanationOptions> explanation = std::nullopt);

}  // namespace trainyard::tasks
