#include "libs/training/step.h"

#include <exception>
#include <vector>

#include "ATen/core/Tensor.h"
#include "libs/base/status.h"
#include "libs/training/torch_status.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {
namespace {

class LossStep final : public TrainingStep {
 public:
  explicit LossStep(Loss& loss) : loss_(loss) {}

  absl::StatusOr<double> Run(Executor& executor, const data::Batch& batch) override {
    TY_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs,
                        executor.Forward({ToTorch(batch.images)}, Mode::kTraining));
    std::vector<at::Tensor> targets;
    for (const Tensor& target : batch.targets) targets.push_back(ToTorch(target));
    TY_ASSIGN_OR_RETURN(const at::Tensor loss, loss_.Compute(outputs, targets));
    try {
      loss.backward();
      return loss.item<double>();
    } catch (const std::exception& error) {
      return TorchStatus("computing gradients", error);
    }
  }

 private:
  Loss& loss_;
};

}  // namespace

std::unique_ptr<TrainingStep> MakeLossStep(Loss& loss) { return std::make_unique<LossStep>(loss); }

}  // namespace trainyard::training
