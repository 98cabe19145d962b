#include "libs/training/losses/classification_loss.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/allclose.h"
#include "ATen/ops/softmax.h"
#include "ATen/ops/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/training/torch_tensor.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_graphs.h"
#include "torch/nn/functional/loss.h"

namespace trainyard::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::StatusIs;

namespace reference = torch::nn::functional;

const std::vector<std::string> kOutputs = {"features", "logits"};

at::Tensor Logits(uint64_t seed) {
  return (3 * ToTorch(RandomTensor({6, 4}, seed))).detach().requires_grad_(true);
}

at::Tensor Classes() { return at::tensor({3, 0, 1, 1, 2, 3}, at::kInt); }

absl::StatusOr<at::Tensor> Compute(const at::Tensor& logits, const at::Tensor& target,
                                   ClassificationLossOptions options = {}) {
  TY_ASSIGN_OR_RETURN(const auto loss,
                      CreateClassificationLoss("logits", kOutputs, std::move(options)));
  return loss->Compute({at::tensor({0.0f}), logits}, {target});
}

// The same value, and the same gradient of the logits.
void ExpectSame(const at::Tensor& target, const ClassificationLossOptions& options,
                const reference::CrossEntropyFuncOptions& torch_options, double divisor) {
  const at::Tensor ours = Logits(1), theirs = Logits(1);
  const auto loss = Compute(ours, target, options);
  ASSERT_THAT(loss, IsOk());
  const at::Tensor torch_target = target.dim() == 1 ? target.to(at::kLong) : target;
  const at::Tensor expected =
      reference::cross_entropy(theirs, torch_target, torch_options) / divisor;
  EXPECT_NEAR(loss->item<double>(), expected.item<double>(), 1e-5 * expected.item<double>());
  loss->backward();
  expected.backward();
  EXPECT_TRUE(at::allclose(ours.grad(), theirs.grad(), 1e-5, 1e-7));
}

TEST(ClassificationLossTest, IsLibTorchsCrossEntropy) {
  ExpectSame(Classes(), {}, reference::CrossEntropyFuncOptions(), 1);
  ExpectSame(Classes(), {.label_smoothing = 0.1},
             reference::CrossEntropyFuncOptions().label_smoothing(0.1), 1);
}

TEST(ClassificationLossTest, ClassWeightsAreFactorsAndDoNotDivideTheMean) {
  const std::vector<float> weights = {0.5f, 2, 1, 0};
  ExpectSame(Classes(), {.label_smoothing = 0.2, .class_weights = weights},
             reference::CrossEntropyFuncOptions()
                 .weight(at::tensor(weights))
                 .label_smoothing(0.2)
                 .reduction(torch::kSum),
             6);
}

TEST(ClassificationLossTest, MixedImagesHaveRowsForTargets) {
  const at::Tensor rows = at::softmax(ToTorch(RandomTensor({6, 4}, 2)), 1);
  const std::vector<float> weights = {0.5f, 2, 1, 3};
  ExpectSame(rows, {}, reference::CrossEntropyFuncOptions(), 1);
  ExpectSame(rows, {.label_smoothing = 0.1, .class_weights = weights},
             reference::CrossEntropyFuncOptions().weight(at::tensor(weights)).label_smoothing(0.1),
             1);
}

TEST(ClassificationLossTest, ByHand) {
  // p = (1/2, 1/4, 1/4); the class is 0.
  const at::Tensor logits = at::tensor({std::log(2.0f), 0.0f, 0.0f}).reshape({1, 3});
  const at::Tensor target = at::tensor({0}, at::kInt);
  const auto loss = Compute(logits, target);
  ASSERT_THAT(loss, IsOk());
  EXPECT_NEAR(loss->item<double>(), std::log(2.0), 1e-6);
  // y = (0.8, 0.1, 0.1): 0.8 ln 2 + 0.2 ln 4 = 1.2 ln 2.
  const auto smoothed = Compute(logits, target, {.label_smoothing = 0.3});
  ASSERT_THAT(smoothed, IsOk());
  EXPECT_NEAR(smoothed->item<double>(), 1.2 * std::log(2.0), 1e-6);
}

TEST(ClassificationLossTest, LargeLogitsStayNumbersAndKeepTheirGradient) {
  const at::Tensor logits = at::tensor({1000.0f, -1000.0f}).reshape({1, 2}).requires_grad_(true);
  const auto loss = Compute(logits, at::tensor({1}, at::kInt));
  ASSERT_THAT(loss, IsOk());
  EXPECT_FLOAT_EQ(loss->item<float>(), 2000);
  loss->backward();
  EXPECT_TRUE(at::allclose(logits.grad(), at::tensor({1.0f, -1.0f}).reshape({1, 2})));
}

TEST(ClassificationLossTest, WhatDoesNotBelongTogetherIsNamed) {
  const auto wrong = [](const at::Tensor& target, const std::string& words,
                        ClassificationLossOptions options = {}) {
    EXPECT_THAT(Compute(Logits(1), target, std::move(options)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
  };
  wrong(at::tensor({0, 1}, at::kInt), "do not belong to targets [2]; expected [N, K] and i32 [N]");
  wrong(at::tensor({0.0f, 1.0f, 2.0f, 3.0f, 0.0f, 1.0f}), "do not belong to targets [6]");
  wrong(at::tensor({0, 1, 4, 3, 0, 1}, at::kInt), "target 2 is class 4; expected one in [0, 4)");
  wrong(at::tensor({0, 1, 2, -1, 0, 1}, at::kInt), "target 3 is class -1");
  wrong(Classes(), "2 class weights do not belong to logits of 4 classes",
        {.class_weights = {1, 1}});
  const auto loss = CreateClassificationLoss("logits", kOutputs, {});
  ASSERT_THAT(loss, IsOk());
  EXPECT_THAT((*loss)->Compute({Logits(1)}, {Classes()}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("takes logits and 1 target; got 1 outputs and 1 targets")));
}

TEST(ClassificationLossTest, EveryWrongOptionIsNamed) {
  EXPECT_THAT(CreateClassificationLoss("scores", kOutputs, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("features, logits")));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      CreateClassificationLoss("logits", kOutputs,
                               {.label_smoothing = 1, .class_weights = {1, -2, nan}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("label_smoothing is 1; expected"),
                     HasSubstr("class_weights[1] is -2"), HasSubstr("class_weights[2] is nan"))));
}

}  // namespace
}  // namespace trainyard::training
