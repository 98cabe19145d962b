#include "libs/training/losses/classification_loss.h"

#include <algorithm>
#include <cmath>

#include "ATen/TensorOperators.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/log_softmax.h"
#include "ATen/ops/tensor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/classification/classification_network.h"
#include "libs/networks/registry.h"
#include "libs/tensor/tensor.h"
#include "libs/training/torch_status.h"

namespace trainyard::training {
namespace {

absl::Status CheckShapes(const at::Tensor& logits, const at::Tensor& target) {
  const bool classes = target.dim() == 1 && target.scalar_type() == at::kInt;
  const bool rows = target.dim() == 2 && target.scalar_type() == at::kFloat;
  if (logits.dim() == 2 && logits.size(0) > 0 &&
      ((classes && target.size(0) == logits.size(0)) ||
       (rows && target.sizes() == logits.sizes()))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("logits ", ShapeText(logits.sizes().vec()), " do not belong to targets ",
                   ShapeText(target.sizes().vec()), "; expected [N, K] and i32 [N] or f32 [N, K]"));
}

// Looking at what lies on a device would wait for it.
absl::Status CheckClasses(const at::Tensor& target, int64_t count) {
  if (!target.is_cpu() || target.dim() != 1) return absl::OkStatus();
  const at::Tensor classes = target.contiguous();
  const int32_t* first = classes.const_data_ptr<int32_t>();
  const int32_t* wrong = std::find_if(first, first + classes.numel(),
                                      [count](int32_t one) { return one < 0 || one >= count; });
  if (wrong == first + classes.numel()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "target %d is class %d; expected one in [0, %d)", wrong - first, *wrong, count));
}

at::Tensor Rows(const at::Tensor& target, int64_t count) {
  if (target.dim() == 2) return target;
  return (target.unsqueeze(1) == at::arange(count, target.options())).to(at::kFloat);
}

at::Tensor ComputeLoss(const at::Tensor& logits, const at::Tensor& target,
                       const ClassificationLossOptions& options) {
  const int64_t count = logits.size(1);
  const double smoothing = options.label_smoothing;
  at::Tensor rows = Rows(target.to(logits.device()), count);
  if (smoothing > 0) rows = rows * (1 - smoothing) + smoothing / static_cast<double>(count);
  if (!options.class_weights.empty()) {
    rows = rows * at::tensor(options.class_weights).to(logits.device());
  }
  const at::Tensor log_p = at::log_softmax(logits, /*dim=*/1, at::kFloat);
  return -(rows * log_p).sum() / static_cast<double>(logits.size(0));
}

}  // namespace

absl::StatusOr<at::Tensor> ClassificationLoss::Compute(absl::Span<const at::Tensor> outputs,
                                                       absl::Span<const at::Tensor> targets) {
  if (outputs.size() <= logits_index_ || targets.size() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the classification loss takes logits and 1 target; got ", outputs.size(),
                     " outputs and ", targets.size(), " targets"));
  }
  const at::Tensor& logits = outputs[logits_index_];
  TY_RETURN_IF_ERROR(CheckShapes(logits, targets[0]));
  const size_t weights = options_.class_weights.size();
  if (weights > 0 && static_cast<int64_t>(weights) != logits.size(1)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d class weights do not belong to logits of %d classes", weights, logits.size(1)));
  }
  TY_RETURN_IF_ERROR(CheckClasses(targets[0], logits.size(1)));
  try {
    return ComputeLoss(logits, targets[0], options_);
  } catch (const std::exception& error) {
    return TorchStatus("computing the classification loss", error);
  }
}

absl::StatusOr<std::unique_ptr<Loss>> CreateClassificationLoss(
    const std::string& logits, absl::Span<const std::string> output_names,
    ClassificationLossOptions options) {
  TY_ASSIGN_OR_RETURN(const size_t index, OutputIndex(logits, output_names));
  Problems problems;
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1)) {
    problems.Add("label_smoothing", "is %g; expected a number in [0, 1)", options.label_smoothing);
  }
  for (size_t i = 0; i < options.class_weights.size(); ++i) {
    const float weight = options.class_weights[i];
    if (std::isfinite(weight) && weight >= 0) continue;
    problems.Add(absl::StrFormat("class_weights[%d]", i),
                 "is %g; expected a finite number, at least 0", weight);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return std::make_unique<ClassificationLoss>(index, std::move(options));
}

absl::StatusOr<std::unique_ptr<Loss>> ClassificationLossOf(
    const networks::Network& network, const ModelRecord& record,
    absl::Span<const std::string> output_names) {
  const auto* classification = dynamic_cast<const networks::ClassificationNetwork*>(&network);
  if (classification == nullptr) {
    return absl::InternalError("the network named 'classification' is no ClassificationNetwork");
  }
  TY_ASSIGN_OR_RETURN(const auto head, networks::CreateHead(record));
  return CreateClassificationLoss(head->output_names().front(), output_names,
                                  {.label_smoothing = classification->label_smoothing()});
}

}  // namespace trainyard::training
