#include "libs/networks/registry.h"
#include "libs/training/validation.h"

#include <algorithm>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "ATen/ops/stack.h"
#include "libs/base/status.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {
namespace {

// Targets of each image, stacked over the batch.
absl::StatusOr<std::vector<at::Tensor>> StackTargets(
    const Network::TargetEncoder& encode, absl::Span<const std::vector<LabelledBox>> objects) {
  std::vector<std::vector<at::Tensor>> columns;
  for (const std::vector<LabelledBox>& boxes : objects) {
    TY_ASSIGN_OR_RETURN(const std::vector<Tensor> targets, encode(boxes));
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
  TY_ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, CreateDecoder(record));
  TY_ASSIGN_OR_RETURN(Network::TargetEncoder encode, network.MakeTargetEncoder(record));
  return Validation(record, source, network.evaluation_plan(), std::move(decoder),
                    std::move(encode), loader_threads, runs_ahead);
}

absl::StatusOr<double> Validation::BatchLoss(const RawBatch& batch, Loss& loss,
                                             absl::Span<const std::string> graph_outputs) const {
  const at::NoGradGuard no_gradients;
  // The batch is in the decoder's order, the loss in the graph's.
  const std::vector<std::string> names = decoder_->output_names();
  std::vector<at::Tensor> outputs(graph_outputs.size());
  for (size_t i = 0; i < graph_outputs.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), graph_outputs[i]);
    if (found != names.end()) outputs[i] = ToTorch(batch.outputs[found - names.begin()]);
  }
  TY_ASSIGN_OR_RETURN(const std::vector<at::Tensor> targets, StackTargets(encode_, batch.objects));
  TY_ASSIGN_OR_RETURN(const at::Tensor value, loss.Compute(outputs, targets));
  return value.item<double>();
}

absl::StatusOr<ValidationResult> Validation::Run(Executor& executor, Loss& loss,
                                                 std::stop_token stop) {
  double weighted = 0;
  EvaluationOptions options;
  options.loader_threads = loader_threads_;
  options.runs_ahead = runs_ahead_;
  options.stop = std::move(stop);
  options.raw_outputs = [&](const RawBatch& batch) -> absl::Status {
    TY_ASSIGN_OR_RETURN(const double value, BatchLoss(batch, loss, executor.output_names()));
    const auto size = static_cast<double>(batch.objects.size());
    weighted += size * size * value;
    return absl::OkStatus();
  };
  ValidationResult result;
  TY_ASSIGN_OR_RETURN(result.evaluation,
                      Evaluate(executor, *record_, *decoder_, *source_, plan_, options));
  result.loss = weighted / static_cast<double>(std::max<int64_t>(1, result.evaluation.images));
  return result;
}

}  // namespace trainyard::training
