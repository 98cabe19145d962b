// A training that goes on from a checkpoint ends with the bytes of an undisturbed one, whatever its
// optimizer: what an optimizer keeps travels in the checkpoint's slots, its count of steps in the
// state.

#include "libs/training/progress.h"

#include <memory>
#include <string>
#include <vector>

#include "ATen/core/grad_mode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/training/torch_tensor.h"
#include "libs/worker/journal.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_graphs.h"

namespace trainyard::training {
namespace {

using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::OneNode;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::TemporaryFolder;

constexpr int kStepsOfAnEpoch = 3;

networks::TrainingPlan Plan(networks::OptimizerPlan optimizer) {
  networks::TrainingPlan plan{.epochs = 2, .optimizer = optimizer};
  plan.learning_rate = networks::SoftStartSchedule{
      .min_rate = 1e-3, .max_rate = 1e-2, .soft_start = 0.2, .annealing = 0.6};
  return plan;
}

Model MakeModel() {
  Model model{
      *OneNode("Conv", {1, 3, 4, 4}, {{"k", RandomTensor({4, 3, 3, 3}, 1)}}, {}, {1, 4, 2, 2}), {}};
  model.record.set_network("test");
  model.record.set_arch("conv");
  return model;
}

/// Everything that a training owns, from a model and a state.
class ResumeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(MakeFolders(folder_ / "job"), IsOk());
    auto journal = worker::Journal::Open(folder_ / "job", 1);
    ASSERT_THAT(journal, IsOk());
    journal_ = *std::move(journal);
  }

  // Trains from `state` to the end of epoch `last`, saved in `results`; gradients are functions of
  // the step.
  void TrainUntil(int last, const networks::TrainingPlan& plan, Model model,
                  const TrainState& state, const std::string& results) {
    const auto executor = Executor::Create(model.graph, {});
    ASSERT_THAT(executor, IsOk());
    const auto optimizer = MakeOptimizer(plan, (*executor)->parameters());
    CheckpointStore store(results, model.record, key_);
    ASSERT_THAT(store.Open(), IsOk());
    worker::Context context{job_, *journal_, key_, {}};
    std::vector<std::string> warnings;
    const auto progress = Progress::Restore({.context = context,
                                             .plan = plan,
                                             .model = model,
                                             .executor = **executor,
                                             .optimizer = *optimizer,
                                             .store = store},
                                            state, "before.tlt", kStepsOfAnEpoch, warnings);
    ASSERT_THAT(progress, IsOk());
    EXPECT_THAT(warnings, IsEmpty());
    while ((*progress)->state().epoch() < last) {
      for (int step = 0; step < kStepsOfAnEpoch; ++step) {
        at::Tensor kernel = (*executor)->parameters().front().value;
        const auto seed = static_cast<uint64_t>(100 + (*progress)->state().step());
        kernel.mutable_grad() = ToTorch(RandomTensor({4, 3, 3, 3}, seed));
        ASSERT_THAT((*progress)->Step(1.0, 8), IsOk());
      }
      (*progress)->EndEpoch();
    }
    ASSERT_THAT((*progress)->SaveEpoch(), IsOk());
  }

  std::string EpochPath(const std::string& results, int epoch) {
    return CheckpointStore(results, MakeModel().record, key_).EpochPath(epoch);
  }

  TemporaryFolder folder_;
  const std::string key_ = "key";
  worker::WorkerJob job_;
  std::unique_ptr<worker::Journal> journal_;
};

TEST_F(ResumeTest, EveryOptimizerGoesOnFromItsSlots) {
  const std::vector<networks::OptimizerPlan> plans = {
      networks::SgdPlan{.nesterov = true, .decay = 0.1}, networks::AdamPlan{.decay = 0.1},
      networks::RmspropPlan{.momentum = 0.5}};
  for (const networks::OptimizerPlan& optimizer : plans) {
    const networks::TrainingPlan plan = Plan(optimizer);
    const std::string name = std::to_string(optimizer.index());
    const std::string undisturbed = folder_ / ("undisturbed" + name);
    const std::string first = folder_ / ("first" + name), second = folder_ / ("second" + name);
    ASSERT_NO_FATAL_FAILURE(TrainUntil(2, plan, MakeModel(), {}, undisturbed));
    ASSERT_NO_FATAL_FAILURE(TrainUntil(1, plan, MakeModel(), {}, first));
    auto checkpoint = LoadCheckpoint(EpochPath(first, 1), key_);
    ASSERT_THAT(checkpoint, IsOk());
    ASSERT_TRUE(checkpoint->state.has_value());
    EXPECT_EQ(checkpoint->state->step(), kStepsOfAnEpoch);
    ASSERT_NO_FATAL_FAILURE(
        TrainUntil(2, plan, std::move(checkpoint->model), *checkpoint->state, second));
    const auto expected = ReadFile(EpochPath(undisturbed, 2));
    const auto resumed = ReadFile(EpochPath(second, 2));
    ASSERT_THAT(expected, IsOk());
    ASSERT_THAT(resumed, IsOk());
    EXPECT_TRUE(*expected == *resumed) << "optimizer " << name;

    // Without the slots the end is another one.
    auto forgetful = LoadCheckpoint(EpochPath(first, 1), key_);
    ASSERT_THAT(forgetful, IsOk());
    forgetful->state->clear_momentum();
    forgetful->state->clear_slots();
    const std::string third = folder_ / ("third" + name);
    ASSERT_NO_FATAL_FAILURE(
        TrainUntil(2, plan, std::move(forgetful->model), *forgetful->state, third));
    const auto other = ReadFile(EpochPath(third, 2));
    ASSERT_THAT(other, IsOk());
    EXPECT_FALSE(*expected == *other) << "optimizer " << name;
  }
}

}  // namespace
}  // namespace trainyard::training
