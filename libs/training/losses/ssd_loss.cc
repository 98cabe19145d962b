#include "libs/training/losses/ssd_loss.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/clamp_min.h"
#include "ATen/ops/log_softmax.h"
#include "ATen/ops/minimum.h"
#include "ATen/ops/smooth_l1_loss.h"
#include "ATen/ops/sort.h"
#include "ATen/ops/zeros_like.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/tensor/tensor.h"
#include "libs/training/torch_status.h"

namespace trainyard::training {
namespace {

// ln(1e-15): Keras holds probabilities at 1e-15 before it takes the logarithm.
const double kLogFloor = std::log(1e-15);

// On the CPU: the same choice without a sort, by the value of the last one that is kept. Losses that
// are 0, or no number, are never kept; the others are ordered by their bits.
at::Tensor HardestOnCpu(const at::Tensor& flat, int64_t count) {
  const int64_t size = flat.numel();
  const float* loss = flat.const_data_ptr<float>();
  std::vector<uint32_t> keys(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) keys[i] = loss[i] > 0 ? std::bit_cast<uint32_t>(loss[i]) : 0;
  at::Tensor kept = at::zeros_like(flat);
  float* mask = kept.mutable_data_ptr<float>();
  count = std::min(count, size);
  if (count <= 0) return kept;
  std::vector<uint32_t> sorted = keys;
  std::nth_element(sorted.begin(), sorted.begin() + (count - 1), sorted.end(), std::greater<>());
  const uint32_t last = sorted[static_cast<size_t>(count - 1)];
  // Of those that equal the last one, the first by place.
  int64_t equal = count - std::count_if(keys.begin(), keys.end(),
                                        [last](uint32_t key) { return key > last; });
  for (int64_t i = 0; i < size; ++i) {
    const bool is_kept = keys[i] > last || (keys[i] == last && equal-- > 0);
    if (is_kept && keys[i] > 0) mask[i] = 1;
  }
  return kept;
}

// 1 where a background anchor is among the hardest `count` (a scalar tensor) of the flattened batch.
at::Tensor HardestNegatives(const at::Tensor& negative_loss, const at::Tensor& count) {
  const at::NoGradGuard no_gradients;
  const at::Tensor flat = negative_loss.detach().flatten();
  if (flat.is_cpu()) {
    return HardestOnCpu(flat.contiguous(), count.item<int64_t>()).view(negative_loss.sizes());
  }
  const at::Tensor order =
      std::get<1>(at::sort(flat, /*stable=*/true, /*dim=*/0, /*descending=*/true));
  const at::Tensor ranks = at::arange(flat.numel(), order.options());
  const at::Tensor nonzero = (flat > 0).sum();
  const at::Tensor kept = (ranks < at::minimum(count, nonzero)).to(at::kFloat);
  return at::zeros_like(flat).scatter_(0, order, kept).view(negative_loss.sizes());
}

absl::Status CheckShapes(const at::Tensor& conf, const at::Tensor& loc, const at::Tensor& classes,
                         const at::Tensor& offsets) {
  const bool fits = conf.dim() == 3 && loc.dim() == 3 && loc.size(2) == 4 && classes.dim() == 2 &&
                    offsets.sizes() == loc.sizes() && conf.size(0) == classes.size(0) &&
                    conf.size(1) == classes.size(1) && loc.size(0) == conf.size(0) &&
                    loc.size(1) == conf.size(1);
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "SSD outputs ", ShapeText(conf.sizes().vec()), " and ", ShapeText(loc.sizes().vec()),
      " do not belong to targets ", ShapeText(classes.sizes().vec()), " and ",
      ShapeText(offsets.sizes().vec()), "; expected [N, A, K], [N, A, 4], [N, A], [N, A, 4]"));
}

at::Tensor ComputeLoss(const at::Tensor& conf, const at::Tensor& loc, const at::Tensor& classes,
                       const at::Tensor& offsets, const SsdLossWeights& weights) {
  const at::Tensor positive = (classes > 0).to(at::kFloat);
  const at::Tensor background = (classes == 0).to(at::kFloat);
  // Neutral anchors (-1) match no class, so their row is all zero.
  const at::Tensor labels = at::arange(conf.size(2), classes.options());
  const at::Tensor one_hot = (classes.unsqueeze(-1) == labels).to(at::kFloat);

  const at::Tensor log_p = at::clamp_min(at::log_softmax(conf, -1), kLogFloor);
  const at::Tensor class_loss = -(one_hot * log_p).sum(-1);
  const at::Tensor box_loss =
      at::smooth_l1_loss(loc, offsets, at::Reduction::None, /*beta=*/1.0).sum(-1);

  const at::Tensor matched = positive.sum();
  const at::Tensor wanted = (matched * weights.neg_pos_ratio).floor().to(at::kLong);
  const at::Tensor hardest = HardestNegatives(class_loss * background, wanted);
  const at::Tensor total = (class_loss * (positive + hardest)).sum() +
                           weights.alpha * (box_loss * positive).sum();
  return total / at::clamp_min(matched, 1.0);
}

}  // namespace

absl::StatusOr<at::Tensor> SsdLoss::Compute(absl::Span<const at::Tensor> outputs,
                                            absl::Span<const at::Tensor> targets) {
  if (outputs.size() <= std::max(conf_index_, loc_index_) || targets.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat("SSD's loss takes 2 outputs and 2 targets; got ",
                                                   outputs.size(), " and ", targets.size()));
  }
  const at::Tensor& conf = outputs[conf_index_];
  const at::Tensor& loc = outputs[loc_index_];
  TY_RETURN_IF_ERROR(CheckShapes(conf, loc, targets[0], targets[1]));
  try {
    return ComputeLoss(conf, loc, targets[0].to(conf.device()), targets[1].to(conf.device()),
                       weights_);
  } catch (const std::exception& error) {
    return TorchStatus("computing SSD's loss", error);
  }
}

}  // namespace trainyard::training
