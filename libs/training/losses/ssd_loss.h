#pragma once

#include "libs/training/losses/loss.h"

namespace trainyard::training {

struct SsdLossWeights {
  /// Weight of the localisation loss. >= 0.
  double alpha = 1.0;
  /// Background anchors that count for each positive one. >= 0.
  double neg_pos_ratio = 3.0;
};

/// SSD's loss: with p = softmax(conf), P = matched anchors of the whole batch,
///
///     (sum_pos -ln p_class + sum_hardest_neg -ln p_0 + alpha * sum_pos smoothL1(loc)) / max(1, P)
///
/// with probabilities held at 1e-15 at least. The hardest negatives are the min(ratio * P, all that
/// are above 0) background anchors of the batch with the largest loss, the lower index first among
/// equals. Neutral anchors (class -1) count in neither. A batch without matches costs 0. Nothing waits
/// for the device.
///
/// outputs: conf [N, A, K] logits at `conf_index`, loc [N, A, 4] at `loc_index`; targets: class i32
/// [N, A], offsets f32 [N, A, 4].
class SsdLoss : public Loss {
 public:
  SsdLoss(size_t conf_index, size_t loc_index, SsdLossWeights weights)
      : conf_index_(conf_index), loc_index_(loc_index), weights_(weights) {}
  absl::StatusOr<at::Tensor> Compute(absl::Span<const at::Tensor> outputs,
                                     absl::Span<const at::Tensor> targets) override;
  /// TAO sums the losses of the images of a batch, of which each is the whole batch's.
  double ValidationWeight(int64_t images) const override {
    return static_cast<double>(images) * static_cast<double>(images);
  }

 private:
  size_t conf_index_, loc_index_;
  SsdLossWeights weights_;
};

}  // namespace trainyard::training
