#include "libs/training/validation.h"

#include <algorithm>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {
absl::StatusOr<Validation> Validation::Create(const networks::Network& network,
                                              const ModelRecord& record,
                                              std::shared_ptr<const data::SampleSource> source,
                                              int loader_threads, bool runs_ahead) {
  TY_ASSIGN_OR_RETURN(std::unique_ptr<tasks::Head> head, networks::CreateHead(record));
  TY_ASSIGN_OR_RETURN(auto prepared,
                      network.Prepare(std::move(source), record, data::DataUse::kValidation));
  return Validation(network, record, std::move(prepared), std::move(head), loader_threads,
                    runs_ahead);
}

absl::StatusOr<double> Validation::BatchLoss(const data::Batch& batch,
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
  std::vector<at::Tensor> targets;
  for (const Tensor& target : batch.targets) targets.push_back(ToTorch(target));
  TY_ASSIGN_OR_RETURN(const at::Tensor value, loss.Compute(ordered, targets));
  return value.item<double>();
}

absl::StatusOr<ValidationResult> Validation::Run(Executor& executor, Loss& loss,
                                                 std::stop_token stop) {
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<tasks::Evaluator> evaluator,
                      network_->MakeEvaluator(*head_, *record_, {}));
  double weighted = 0;
  tasks::RunOptions options;
  options.batch_size = network_->evaluation_batch_size();
  options.loader_threads = loader_threads_;
  options.runs_ahead = runs_ahead_;
  options.stop = std::move(stop);
  options.ran = [&](const data::Batch& batch, absl::Span<const Tensor> outputs) -> absl::Status {
    TY_ASSIGN_OR_RETURN(const double value,
                        BatchLoss(batch, outputs, loss, executor.output_names()));
    weighted += loss.ValidationWeight(static_cast<int64_t>(batch.samples.size())) * value;
    return absl::OkStatus();
  };
  ValidationResult result;
  TY_ASSIGN_OR_RETURN(result.evaluation, tasks::Evaluate(executor, *evaluator, source_, options));
  result.loss = weighted / static_cast<double>(std::max<int64_t>(1, result.evaluation.run.images));
  return result;
}

}  // namespace trainyard::training
