#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/training/losses/loss.h"

namespace trainyard::training {

struct ClassificationLossOptions {
  /// What all classes share of each target. [0, 1).
  double label_smoothing = 0;
  /// A factor of each class, at least 0; empty: all 1.
  std::vector<float> class_weights;
};

/// Softmax cross entropy: with N images, K classes, p = softmax(logits), y the target as a row of K
/// numbers (one-hot for a class) and s = label_smoothing,
///
///     -1/N sum_i sum_c weight_c * (y_ic * (1 - s) + s / K) * ln p_ic
///
/// Each image counts alike, whatever its weight, as in Keras: PyTorch's mean divides by the sum of the
/// weights where targets are classes. Probabilities are not held at Keras' 1e-7: it would take the
/// gradient from those that are most wrong.
///
/// outputs: logits [N, K] at `logits_index`; targets: classes i32 [N], or f32 [N, K] of rows that sum to
/// 1 where images are mixed. Classes in host memory are checked: kInvalidArgument outside [0, K).
class ClassificationLoss final : public Loss {
 public:
  /// `options` are valid (CreateClassificationLoss).
  ClassificationLoss(size_t logits_index, ClassificationLossOptions options)
      : logits_index_(logits_index), options_(std::move(options)) {}
  absl::StatusOr<at::Tensor> Compute(absl::Span<const at::Tensor> outputs,
                                     absl::Span<const at::Tensor> targets) override;

 private:
  const size_t logits_index_;
  const ClassificationLossOptions options_;
};

/// The loss of the graph with these outputs whose logits are called `logits`. kInvalidArgument when it
/// has none of that name, and for options outside of their ranges.
absl::StatusOr<std::unique_ptr<Loss>> CreateClassificationLoss(
    const std::string& logits, absl::Span<const std::string> output_names,
    ClassificationLossOptions options);

/// CreateLoss of `classification`.
absl::StatusOr<std::unique_ptr<Loss>> ClassificationLossOf(
    const networks::Network& network, const ModelRecord& record,
    absl::Span<const std::string> output_names);

}  // namespace trainyard::training
