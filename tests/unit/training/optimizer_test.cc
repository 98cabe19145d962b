#include "libs/training/optimizer.h"

#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ATen/Parallel.h"
#include "ATen/TensorOperators.h"
#include "ATen/ops/allclose.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/cos.h"
#include "ATen/ops/equal.h"
#include "ATen/ops/full.h"
#include "ATen/ops/linspace.h"
#include "ATen/ops/tensor.h"
#include "ATen/ops/zeros.h"
#include "gtest/gtest.h"

namespace trainyard::training {

using networks::OptimizerPlan;
using networks::Regularizer;
using networks::SgdPlan;
namespace {

Parameter MakeParameter(const std::string& name, const at::Tensor& value,
                        bool regularized = false) {
  Parameter parameter{.name = name, .value = value, .regularized = regularized};
  parameter.value.requires_grad_(true);
  return parameter;
}

networks::TrainingPlan Plan(OptimizerPlan optimizer, Regularizer regularizer = Regularizer::kNone,
                            double weight = 0) {
  return {.optimizer = optimizer, .regularizer = regularizer, .regularizer_weight = weight};
}

float At(const at::Tensor& tensor, int64_t i) { return tensor.detach()[i].item<float>(); }

TEST(SgdTest, MomentumAccumulatesAsKerasDoes) {
  Parameter k = MakeParameter("k", at::full({1}, 1.0));
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0.9}), {k});
  // v1 = -0.1 * 2 = -0.2, k = 0.8; v2 = 0.9 * -0.2 - 0.05 * 1 = -0.23, k = 0.57.
  k.value.mutable_grad() = at::full({1}, 2.0);
  sgd->Step(0.1, 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.8f);
  k.value.mutable_grad() = at::full({1}, 1.0);
  sgd->Step(0.05, 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.57f);
  EXPECT_FALSE(k.value.grad().defined());
}

TEST(SgdTest, L2AddsTwiceTheWeightAndReportsTheSquaresBeforeTheStep) {
  Parameter k = MakeParameter("k", at::tensor({3.0f, -4.0f}), /*regularized=*/true);
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0}, Regularizer::kL2, 0.1), {k});
  k.value.mutable_grad() = at::full({2}, 0.0);
  EXPECT_NEAR(sgd->Step(0.5, 0), 0.1 * 25, 1e-6);
  // 3 - 0.5 * 2 * 0.1 * 3 = 2.7.
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.7f);
  EXPECT_FLOAT_EQ(At(k.value, 1), -3.6f);
}

TEST(SgdTest, L1AddsTheSignAndLeavesZeroAlone) {
  Parameter k = MakeParameter("k", at::tensor({3.0f, -4.0f, 0.0f}), /*regularized=*/true);
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0}, Regularizer::kL1, 0.1), {k});
  k.value.mutable_grad() = at::full({3}, 0.0);
  EXPECT_NEAR(sgd->Step(1.0, 0), 0.1 * 7, 1e-6);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.9f);
  EXPECT_FLOAT_EQ(At(k.value, 1), -3.9f);
  EXPECT_FLOAT_EQ(At(k.value, 2), 0.0f);
}

TEST(SgdTest, OnlyRegularizedParametersPay) {
  Parameter k = MakeParameter("k", at::tensor({2.0f}));
  const auto sgd = MakeOptimizer(Plan(SgdPlan{}, Regularizer::kL2, 1), {k});
  k.value.mutable_grad() = at::full({1}, 0.0);
  EXPECT_EQ(sgd->Step(0.1, 0), 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.0f);
}

TEST(SgdTest, FrozenParametersHaveNoMomentumAndStay) {
  Parameter k = MakeParameter("k", at::tensor({2.0f}));
  k.frozen = true;
  const auto sgd = MakeOptimizer(Plan(SgdPlan{}), {k});
  k.value.mutable_grad() = at::full({1}, 5.0);
  sgd->Step(0.1, 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.0f);
  EXPECT_TRUE(sgd->Slots().empty());
}

TEST(SgdTest, AGradientInAnotherMemoryOrderMeetsItsOwnElements) {
  const at::Tensor values = at::linspace(0, 23, 24).reshape({2, 3, 2, 2});
  Parameter k = MakeParameter("k", values.contiguous(at::MemoryFormat::ChannelsLast));
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0}), {k});
  k.value.mutable_grad() = values.clone();
  sgd->Step(1.0, 0);
  EXPECT_EQ(k.value.detach().abs().max().item<float>(), 0);
}

TEST(SgdTest, LargeParametersAreUpdatedWhole) {
  Parameter k = MakeParameter("k", at::full({100003}, 1.0), /*regularized=*/true);
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0}, Regularizer::kL2, 1e-3), {k});
  k.value.mutable_grad() = at::full({100003}, 1.0);
  EXPECT_NEAR(sgd->Step(0.5, 0), 100.003, 1e-6);
  EXPECT_NEAR(k.value.detach().min().item<float>(), 0.499, 1e-6);
  EXPECT_NEAR(k.value.detach().max().item<float>(), 0.499, 1e-6);
}

TEST(SgdTest, ASlotIsTheMomentumOfItsParameter) {
  Parameter k = MakeParameter("k", at::full({2}, 1.0));
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0.5}), {k});
  std::vector<Slot> slots = sgd->Slots();
  ASSERT_EQ(slots.size(), 1u);
  EXPECT_EQ(slots[0].name, "k");
  EXPECT_EQ(slots[0].kind, "momentum");
  slots[0].values.fill_(3);
  k.value.mutable_grad() = at::zeros({2});
  sgd->Step(0.1, 0);
  EXPECT_EQ(k.value.sum().item<float>(), 2 * (1 + 0.5 * 3));
  EXPECT_EQ(sgd->Slots()[0].values.sum().item<float>(), 2 * 0.5 * 3);
}

// Every optimizer, with every part of its formula in use.
std::vector<OptimizerPlan> EveryPlan() {
  return {SgdPlan{.momentum = 0.9, .decay = 0.01}, SgdPlan{.momentum = 0.8, .nesterov = true},
          networks::AdamPlan{.beta1 = 0.85, .beta2 = 0.99, .epsilon = 1e-3, .decay = 0.02},
          networks::RmspropPlan{.rho = 0.95, .epsilon = 1e-3, .decay = 0.05},
          networks::RmspropPlan{.momentum = 0.7}};
}

// A gradient that depends on the weight and is never the same twice.
double Gradient(double weight, int64_t element, int step) {
  return 0.3 * weight + std::cos(static_cast<double>(element) + 0.7 * step);
}

at::Tensor Gradients(const at::Tensor& weights, int step) {
  const at::Tensor element = at::arange(weights.numel(), at::kDouble).reshape(weights.sizes());
  return 0.3 * weights.detach() + at::cos(element + 0.7 * step).to(at::kFloat);
}

// One weight by the formulas of Keras, slowly and in double precision.
struct KerasWeight {
  double value, first = 0, second = 0;

  void Step(const SgdPlan& plan, double rate, double g) {
    first = plan.momentum * first - rate * g;
    value += plan.nesterov ? plan.momentum * first - rate * g : first;
  }
  void Step(const networks::AdamPlan& plan, double rate, double g, int t) {
    const double corrected =
        rate * std::sqrt(1 - std::pow(plan.beta2, t)) / (1 - std::pow(plan.beta1, t));
    first = plan.beta1 * first + (1 - plan.beta1) * g;
    second = plan.beta2 * second + (1 - plan.beta2) * g * g;
    value -= corrected * first / (std::sqrt(second) + plan.epsilon);
  }
  void Step(const networks::RmspropPlan& plan, double rate, double g) {
    second = plan.rho * second + (1 - plan.rho) * g * g;
    first = plan.momentum * first - rate * g / (std::sqrt(second) + plan.epsilon);
    value += first;
  }
  void Step(const OptimizerPlan& plan, double rate, int step, double g) {
    const double decay = std::visit([](const auto& one) { return one.decay; }, plan);
    const double decayed = rate / (1 + decay * step);
    if (const auto* adam = std::get_if<networks::AdamPlan>(&plan))
      return Step(*adam, decayed, g, step + 1);
    if (const auto* rms = std::get_if<networks::RmspropPlan>(&plan)) return Step(*rms, decayed, g);
    Step(std::get<SgdPlan>(plan), decayed, g);
  }
};

TEST(OptimizerTest, AHundredStepsAreThoseOfKeras) {
  for (const OptimizerPlan& plan : EveryPlan()) {
    Parameter k = MakeParameter("k", at::linspace(1, 3, 40));
    std::vector<KerasWeight> reference;
    for (int64_t i = 0; i < 40; ++i) reference.push_back({.value = At(k.value, i)});
    const auto optimizer = MakeOptimizer(Plan(plan), {k});
    for (int step = 0; step < 100; ++step) {
      const double rate = 1e-3 * (1 + step % 5);
      k.value.mutable_grad() = Gradients(k.value, step);
      optimizer->Step(rate, step);
      for (int64_t i = 0; i < 40; ++i) {
        reference[i].Step(plan, rate, step, Gradient(reference[i].value, i, step));
      }
    }
    for (int64_t i = 0; i < 40; ++i) {
      EXPECT_NEAR(At(k.value, i), reference[i].value, 1e-5 * std::abs(reference[i].value))
          << "optimizer " << plan.index() << ", element " << i;
    }
  }
}

TEST(OptimizerTest, TheFirstStepOfAdamIsTheRateWhateverTheGradient) {
  Parameter k = MakeParameter("k", at::full({2}, 1.0));
  const auto adam = MakeOptimizer(Plan(networks::AdamPlan{}), {k});
  k.value.mutable_grad() = at::tensor({100.0f, -0.01f});
  adam->Step(0.1, 0);
  EXPECT_NEAR(At(k.value, 0), 0.9, 1e-5);
  EXPECT_NEAR(At(k.value, 1), 1.1, 1e-4);
}

TEST(OptimizerTest, DecayDividesTheRateByTheStepsDone) {
  Parameter k = MakeParameter("k", at::full({1}, 1.0));
  const auto sgd = MakeOptimizer(Plan(SgdPlan{.momentum = 0, .decay = 0.5}), {k});
  k.value.mutable_grad() = at::full({1}, 1.0);
  sgd->Step(0.1, 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.9f);
  k.value.mutable_grad() = at::full({1}, 1.0);
  sgd->Step(0.1, 2);  // 0.1 / (1 + 0.5 * 2) = 0.05.
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.85f);
}

TEST(OptimizerTest, TheRegularizersGradientIsWhatTheMomentsSee) {
  for (const OptimizerPlan& plan : EveryPlan()) {
    Parameter a = MakeParameter("k", at::full({3}, 2.0), /*regularized=*/true);
    Parameter b = MakeParameter("k", at::full({3}, 2.0));
    const auto with = MakeOptimizer(Plan(plan, Regularizer::kL2, 0.25), {a});
    const auto without = MakeOptimizer(Plan(plan), {b});
    a.value.mutable_grad() = at::full({3}, 0.5);
    b.value.mutable_grad() = at::full({3}, 0.5 + 2 * 0.25 * 2);
    EXPECT_NEAR(with->Step(0.1, 0), 0.25 * 3 * 4, 1e-6);
    EXPECT_EQ(without->Step(0.1, 0), 0);
    EXPECT_TRUE(at::equal(a.value, b.value)) << plan.index();
  }
}

TEST(OptimizerTest, MultiTensorKernelsTakeTheSameSteps) {
  for (const OptimizerPlan& plan : EveryPlan()) {
    for (const Regularizer regularizer : {Regularizer::kNone, Regularizer::kL1, Regularizer::kL2}) {
      const at::Tensor start = at::linspace(-1, 1, 30).reshape({5, 6});
      Parameter a = MakeParameter("k", start.clone(), /*regularized=*/true);
      Parameter b = MakeParameter("k", start.clone(), /*regularized=*/true);
      const networks::TrainingPlan whole = Plan(plan, regularizer, 0.01);
      const auto one_pass = MakeOptimizer(whole, {a});
      const auto multi_tensor = MakeOptimizer(whole, {b}, /*multi_tensor=*/true);
      for (int step = 0; step < 3; ++step) {
        a.value.mutable_grad() = at::linspace(0.1, 1, 30).reshape({5, 6});
        b.value.mutable_grad() = at::linspace(0.1, 1, 30).reshape({5, 6});
        EXPECT_NEAR(one_pass->Step(0.1, step), multi_tensor->Step(0.1, step), 1e-6);
      }
      EXPECT_LT((a.value - b.value).abs().max().item<float>(), 1e-5f) << plan.index();
      const std::vector<Slot> ours = one_pass->Slots(), theirs = multi_tensor->Slots();
      for (size_t i = 0; i < ours.size(); ++i) {
        EXPECT_TRUE(at::allclose(ours[i].values, theirs[i].values, 1e-5, 1e-7)) << ours[i].kind;
      }
    }
  }
}

TEST(OptimizerTest, ResultsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (const OptimizerPlan& plan : EveryPlan()) {
    std::vector<at::Tensor> results;
    std::vector<double> penalties;
    for (const int count : {1, 3}) {
      at::set_num_threads(count);
      Parameter k = MakeParameter("k", at::linspace(-1, 2, 100003), /*regularized=*/true);
      const auto optimizer = MakeOptimizer(Plan(plan, Regularizer::kL1, 1e-3), {k});
      for (int step = 0; step < 2; ++step) {
        k.value.mutable_grad() = Gradients(k.value, step);
        penalties.push_back(optimizer->Step(0.01, step));
      }
      results.push_back(k.value.detach());
    }
    EXPECT_TRUE(at::equal(results[0], results[1])) << plan.index();
    EXPECT_EQ(penalties[0], penalties[2]);
    EXPECT_EQ(penalties[1], penalties[3]);
  }
  at::set_num_threads(threads);
}

TEST(OptimizerTest, SlotsAreNamedByTheirKind) {
  const auto kinds = [](OptimizerPlan plan) {
    std::vector<std::string> kinds;
    const Parameter k = MakeParameter("k", at::full({2}, 1.0));
    for (const Slot& slot : MakeOptimizer(Plan(plan), {k})->Slots()) {
      EXPECT_EQ(slot.name, "k");
      kinds.push_back(slot.kind);
    }
    return kinds;
  };
  using Kinds = std::vector<std::string>;
  EXPECT_EQ(kinds(networks::AdamPlan{}), (Kinds{"first_moment", "second_moment"}));
  EXPECT_EQ(kinds(networks::RmspropPlan{}), (Kinds{"second_moment"}));
  EXPECT_EQ(kinds(networks::RmspropPlan{.momentum = 0.5}), (Kinds{"second_moment", "momentum"}));
}

// Two parameters in one optimizer go as each would with its own rate.
TEST(OptimizerTest, TheBackboneLearnsAtItsShareOfTheRate) {
  const OptimizerPlan plans[] = {SgdPlan{.momentum = 0.9, .nesterov = true}, networks::AdamPlan{},
                                 networks::RmspropPlan{.momentum = 0.5}};
  for (const OptimizerPlan& optimizer : plans) {
    for (const bool multi_tensor : {false, true}) {
      SCOPED_TRACE(::testing::Message() << optimizer.index() << " " << multi_tensor);
      const auto make = [](const char* name) {
        return MakeParameter(name, at::tensor({0.5f, -1.0f}));
      };
      Parameter body = make("block_1/kernel"), head = make("predictions/kernel");
      networks::TrainingPlan both = Plan(optimizer);
      both.backbone_rate_scale = 0.1;
      both.head_layers = {"predictions"};
      const auto together = MakeOptimizer(both, {body, head}, multi_tensor);
      Parameter slow = make("block_1/kernel"), fast = make("predictions/kernel");
      const auto alone_slow = MakeOptimizer(Plan(optimizer), {slow}, multi_tensor);
      const auto alone_fast = MakeOptimizer(Plan(optimizer), {fast}, multi_tensor);
      for (int step = 0; step < 3; ++step) {
        for (Parameter* one : {&body, &head, &slow, &fast}) {
          one->value.mutable_grad() = at::tensor({0.3f, -0.2f * static_cast<float>(step + 1)});
        }
        together->Step(0.1, step);
        alone_slow->Step(0.01, step);
        alone_fast->Step(0.1, step);
      }
      EXPECT_TRUE(at::allclose(body.value, slow.value, 1e-6, 1e-7));
      EXPECT_TRUE(at::equal(head.value, fast.value));
      EXPECT_FALSE(at::allclose(body.value, head.value, 1e-3, 1e-3));
    }
  }
}

}  // namespace
}  // namespace trainyard::training
