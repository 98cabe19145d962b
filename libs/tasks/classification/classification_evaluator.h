#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/tasks/classification/classifier_head.h"
#include "libs/tasks/task.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::tasks {

/// Judges a classifier; Finish makes a ClassificationEvaluation. A picture is told as the class of
/// the largest probability, the lower one among equals; it is among the `top_k` when fewer than
/// `top_k` classes have a larger probability, or the same and a lower number.
///
/// `head` outlives the evaluator. kInvalidArgument when the record has no class or `top_k` is
/// below 1. Its Add fails as CheckedProbabilities, and with kInternal for a sample whose truth is
/// none of the record's classes.
absl::StatusOr<std::unique_ptr<Evaluator>> MakeClassificationEvaluator(
    const ClassifierHead& head, const model::v1::ModelRecord& record, int top_k);

}  // namespace trainyard::tasks
