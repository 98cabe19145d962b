#include "libs/training/optimizer.h"

#include <cmath>

#include "ATen/TensorOperators.h"
#include "ATen/ops/full.h"
#include "ATen/ops/tensor.h"
#include "ATen/ops/linspace.h"
#include "ATen/ops/zeros.h"
#include "gtest/gtest.h"

namespace trainyard::training {
namespace {

Parameter MakeParameter(const std::string& name, const at::Tensor& value, bool regularized = false) {
  Parameter parameter{.name = name, .value = value, .regularized = regularized};
  parameter.value.requires_grad_(true);
  return parameter;
}

float At(const at::Tensor& tensor, int64_t i) { return tensor.detach()[i].item<float>(); }

TEST(SgdTest, MomentumAccumulatesAsKerasDoes) {
  Parameter k = MakeParameter("k", at::full({1}, 1.0));
  Sgd sgd({k}, {.momentum = 0.9});
  // v1 = -0.1 * 2 = -0.2, k = 0.8; v2 = 0.9 * -0.2 - 0.05 * 1 = -0.23, k = 0.57.
  k.value.mutable_grad() = at::full({1}, 2.0);
  sgd.Step(0.1);
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.8f);
  k.value.mutable_grad() = at::full({1}, 1.0);
  sgd.Step(0.05);
  EXPECT_FLOAT_EQ(At(k.value, 0), 0.57f);
  EXPECT_FALSE(k.value.grad().defined());
}

TEST(SgdTest, L2AddsTwiceTheWeightAndReportsTheSquaresBeforeTheStep) {
  Parameter k = MakeParameter("k", at::tensor({3.0f, -4.0f}), /*regularized=*/true);
  Sgd sgd({k}, {.momentum = 0, .regularizer = Regularizer::kL2, .regularizer_weight = 0.1});
  k.value.mutable_grad() = at::full({2}, 0.0);
  EXPECT_NEAR(sgd.Step(0.5), 0.1 * 25, 1e-6);
  // 3 - 0.5 * 2 * 0.1 * 3 = 2.7.
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.7f);
  EXPECT_FLOAT_EQ(At(k.value, 1), -3.6f);
}

TEST(SgdTest, L1AddsTheSignAndLeavesZeroAlone) {
  Parameter k = MakeParameter("k", at::tensor({3.0f, -4.0f, 0.0f}), /*regularized=*/true);
  Sgd sgd({k}, {.momentum = 0, .regularizer = Regularizer::kL1, .regularizer_weight = 0.1});
  k.value.mutable_grad() = at::full({3}, 0.0);
  EXPECT_NEAR(sgd.Step(1.0), 0.1 * 7, 1e-6);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.9f);
  EXPECT_FLOAT_EQ(At(k.value, 1), -3.9f);
  EXPECT_FLOAT_EQ(At(k.value, 2), 0.0f);
}

TEST(SgdTest, OnlyRegularizedParametersPay) {
  Parameter k = MakeParameter("k", at::tensor({2.0f}));
  Sgd sgd({k}, {.regularizer = Regularizer::kL2, .regularizer_weight = 1});
  k.value.mutable_grad() = at::full({1}, 0.0);
  EXPECT_EQ(sgd.Step(0.1), 0);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.0f);
}

TEST(SgdTest, FrozenParametersHaveNoMomentumAndStay) {
  Parameter k = MakeParameter("k", at::tensor({2.0f}));
  k.frozen = true;
  Sgd sgd({k}, {});
  k.value.mutable_grad() = at::full({1}, 5.0);
  sgd.Step(0.1);
  EXPECT_FLOAT_EQ(At(k.value, 0), 2.0f);
  EXPECT_TRUE(sgd.Slots().empty());
}

TEST(SgdTest, AGradientInAnotherMemoryOrderMeetsItsOwnElements) {
  const at::Tensor values = at::linspace(0, 23, 24).reshape({2, 3, 2, 2});
  Parameter k = MakeParameter("k", values.contiguous(at::MemoryFormat::ChannelsLast));
  Sgd sgd({k}, {.momentum = 0});
  k.value.mutable_grad() = values.clone();
  sgd.Step(1.0);
  EXPECT_EQ(k.value.detach().abs().max().item<float>(), 0);
}

TEST(SgdTest, LargeParametersAreUpdatedWhole) {
  Parameter k = MakeParameter("k", at::full({100003}, 1.0), /*regularized=*/true);
  Sgd sgd({k}, {.momentum = 0, .regularizer = Regularizer::kL2, .regularizer_weight = 1e-3});
  k.value.mutable_grad() = at::full({100003}, 1.0);
  EXPECT_NEAR(sgd.Step(0.5), 100.003, 1e-6);
  EXPECT_NEAR(k.value.detach().min().item<float>(), 0.499, 1e-6);
  EXPECT_NEAR(k.value.detach().max().item<float>(), 0.499, 1e-6);
}

TEST(SgdTest, MultiTensorKernelsTakeTheSameSteps) {
  for (const Regularizer regularizer : {Regularizer::kNone, Regularizer::kL1, Regularizer::kL2}) {
    const at::Tensor start = at::linspace(-1, 1, 30).reshape({5, 6});
    SgdOptions options{.regularizer = regularizer, .regularizer_weight = 0.01};
    Parameter a = MakeParameter("k", start.clone(), /*regularized=*/true);
    Parameter b = MakeParameter("k", start.clone(), /*regularized=*/true);
    Sgd one_pass({a}, options);
    options.multi_tensor = true;
    Sgd multi_tensor({b}, options);
    for (int step = 0; step < 3; ++step) {
      a.value.mutable_grad() = at::linspace(0, 1, 30).reshape({5, 6});
      b.value.mutable_grad() = at::linspace(0, 1, 30).reshape({5, 6});
      EXPECT_NEAR(one_pass.Step(0.1), multi_tensor.Step(0.1), 1e-6);
    }
    EXPECT_LT((a.value - b.value).abs().max().item<float>(), 1e-6f);
  }
}

TEST(SgdTest, ASlotIsTheMomentumOfItsParameter) {
  Parameter k = MakeParameter("k", at::full({2}, 1.0));
  Sgd sgd({k}, {.momentum = 0.5});
  std::vector<Slot> slots = sgd.Slots();
  ASSERT_EQ(slots.size(), 1u);
  EXPECT_EQ(slots[0].name, "k");
  EXPECT_EQ(slots[0].kind, "momentum");
  slots[0].values.fill_(3);
  k.value.mutable_grad() = at::zeros({2});
  sgd.Step(0.1);
  EXPECT_EQ(k.value.sum().item<float>(), 2 * (1 + 0.5 * 3));
  EXPECT_EQ(sgd.Slots()[0].values.sum().item<float>(), 2 * 0.5 * 3);
}

}  // namespace
}  // namespace trainyard::training
