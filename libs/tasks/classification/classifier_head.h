#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/loader.h"
#include "libs/tasks/task.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// The head of a classifier: a probability for each class. Thread-safe.
class ClassifierHead : public Head {
 public:
  /// f32 [N, classes] from the outputs in the order of output_names(); each row sums to 1.
  /// kInternal when they do not fit. What is not finite in the outputs is not in a row of numbers
  /// either (CheckedProbabilities looks).
  virtual absl::StatusOr<Tensor> Probabilities(absl::Span<const Tensor> outputs) const = 0;
};

/// `head` as a classifier's. kInternal when it is another task's.
absl::StatusOr<const ClassifierHead*> ClassifierHeadOf(const Head& head);

/// A head of one output, f32 [N, classes]: logits, of which it takes the softmax (in double, from
/// the largest down, so that no logit overflows), or probabilities already.
std::unique_ptr<ClassifierHead> MakeClassifierHead(std::string output, int classes,
                                                   bool output_is_probabilities);

/// The probabilities of a batch, a row for each of its samples in `classes` columns. kInternal when
/// they do not fit; kFailedPrecondition, naming the image, when one is not a number within [0, 1]
/// (give or take 0.001): nothing may be judged by it, since no comparison with NaN holds.
absl::StatusOr<Tensor> CheckedProbabilities(const ClassifierHead& head, const data::Batch& batch,
                                            absl::Span<const Tensor> outputs, int64_t classes);

/// The class of the largest probability; the lower one among equals.
int BestClass(absl::Span<const float> probabilities);

}  // namespace trainyard::tasks
