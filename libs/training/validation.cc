#include "libs/training/validation.h"

#include <algorithm>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/stack.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/networks/registry.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {
namespace {

// Targets of each image, stacked over the batch.
absl::StatusOr<std::vector<at::Tensor>> StackTargets(const Network::TargetEncoder& encode,
                                                     const InputBatch& batch,
                                                     const model::v1::Preprocess& preprocess) {
  std::vector<std::vector<at::Tensor>> columns;
  for (size_t row = 0; row < batch.samples.size(); ++row) {
    TY_ASSIGN_OR_RETURN(
        const std::vector<Tensor> targets,
        encode(BoxesToInput(batch.samples[row].boxes, batch.sizes[row], preprocess)));
    columns.resize(targets.size());
    for (size_t i = 0; i < targets.size(); ++i) columns[i].push_back(ToTorch(targets[i]));
  }
  std::vector<at::Tensor> stacked;
  for (const std::vector<at::Tensor>& column : columns) stacked.push_back(at::stack(column));
  return stacked;
}

}  // namespace

absl::StatusOr<Validation> Validation::Create(const Network& network, const ModelRecord& record,
                                              const SampleSource& source, int loader_threads,
                                              bool runs_ahead) {
  TY_ASSIGN_OR_RETURN(std::unique_ptr<Head> head, CreateHead(record));
  TY_ASSIGN_OR_RETURN(Network::TargetEncoder encode, network.MakeTargetEncoder(record));
  return Validation(network, record, source, std::move(head), std::move(encode), loader_threads,
                    runs_ahead);
}

absl::StatusOr<double> Validation::BatchLoss(const InputBatch& batch,
                                             absl::Span<const Tensor> outputs, Loss& loss,
                                             absl::Span<const std::string> graph_outputs) const {
  const at::NoGradGuard no_gradients;
  // The outputs are in the head's order, the loss wants the graph's.
  const std::vector<std::string> names = head_->output_names();
  std::vector<at::Tensor> ordered(graph_outputs.size());
  for (size_t i = 0; i < graph_outputs.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), graph_outputs[i]);
    if (found != names.end()) ordered[i] = ToTorch(outputs[found - names.begin()]);
  }
  TY_ASSIGN_OR_RETURN(const std::vector<at::Tensor> targets,
                      StackTargets(encode_, batch, record_->preprocess()));
  TY_ASSIGN_OR_RETURN(const at::Tensor value, loss.Compute(ordered, targets));
  return value.item<double>();
}

absl::StatusOr<ValidationResult> Validation::Run(Executor& executor, Loss& loss,
                                                 std::stop_token stop) {
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<Evaluator> evaluator,
                      network_->MakeEvaluator(*head_, *record_, {}));
  double weighted = 0;
  RunOptions options;
  options.batch_size = network_->evaluation_batch_size();
  options.loader_threads = loader_threads_;
  options.runs_ahead = runs_ahead_;
  options.stop = std::move(stop);
  options.ran = [&](const InputBatch& batch, absl::Span<const Tensor> outputs) -> absl::Status {
    TY_ASSIGN_OR_RETURN(const double value,
                        BatchLoss(batch, outputs, loss, executor.output_names()));
    const auto size = static_cast<double>(batch.samples.size());
    weighted += size * size * value;
    return absl::OkStatus();
  };
  ValidationResult result;
  TY_ASSIGN_OR_RETURN(
      result.evaluation,
      Evaluate(executor, record_->preprocess(), *evaluator, *source_, options));
  result.loss = weighted / static_cast<double>(std::max<int64_t>(1, result.evaluation.run.images));
  return result;
}

}  // namespace trainyard::training
