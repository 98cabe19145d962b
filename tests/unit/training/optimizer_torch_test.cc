// Our optimizers against LibTorch's own, where the definitions agree: a constant rate (LibTorch's
// momentum does not hold the rate) and, for Adam, an epsilon that is small beside the root of the
// second moment.

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "ATen/TensorOperators.h"
#include "ATen/ops/arange.h"
#include "ATen/ops/cos.h"
#include "ATen/ops/linspace.h"
#include "gtest/gtest.h"
#include "libs/training/optimizer.h"
#include "torch/optim/adam.h"
#include "torch/optim/rmsprop.h"
#include "torch/optim/sgd.h"

namespace trainyard::training {
namespace {

constexpr double kRate = 2e-3;

at::Tensor Start() { return at::linspace(1, 3, 60).reshape({3, 20}); }

at::Tensor GradientOf(const at::Tensor& weights, int step) {
  const at::Tensor element = at::arange(weights.numel()).to(at::kFloat).reshape(weights.sizes());
  return 0.3 * weights.detach() + at::cos(element + 0.7 * step);
}

// A hundred steps of both from the same weights; the largest relative difference.
template <typename TorchOptimizer, typename TorchOptions>
double Difference(const networks::OptimizerPlan& plan, const TorchOptions& options) {
  Parameter ours{.name = "k", .value = Start()};
  ours.value.requires_grad_(true);
  at::Tensor theirs = Start();
  theirs.requires_grad_(true);
  const auto optimizer = MakeOptimizer({.optimizer = plan}, {ours});
  TorchOptimizer reference(std::vector<at::Tensor>{theirs}, options);
  for (int step = 0; step < 100; ++step) {
    ours.value.mutable_grad() = GradientOf(ours.value, step);
    theirs.mutable_grad() = GradientOf(theirs, step);
    optimizer->Step(kRate, step);
    reference.step();
  }
  EXPECT_GT((theirs - Start()).abs().max().template item<double>(), 0.05);
  return ((ours.value - theirs) / theirs).abs().max().template item<double>();
}

TEST(OptimizerTorchTest, Sgd) {
  for (const bool nesterov : {false, true}) {
    EXPECT_LT(Difference<torch::optim::SGD>(
                  networks::SgdPlan{.momentum = 0.9, .nesterov = nesterov},
                  torch::optim::SGDOptions(kRate).momentum(0.9).nesterov(nesterov)),
              1e-5);
  }
}

TEST(OptimizerTorchTest, Adam) {
  EXPECT_LT(Difference<torch::optim::Adam>(
                networks::AdamPlan{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-10},
                torch::optim::AdamOptions(kRate).betas(std::make_tuple(0.9, 0.999)).eps(1e-10)),
            1e-5);
}

TEST(OptimizerTorchTest, Rmsprop) {
  for (const double momentum : {0.0, 0.5}) {
    EXPECT_LT(Difference<torch::optim::RMSprop>(
                  networks::RmspropPlan{.rho = 0.95, .momentum = momentum, .epsilon = 1e-4},
                  torch::optim::RMSpropOptions(kRate).alpha(0.95).momentum(momentum).eps(1e-4)),
              1e-5);
  }
}

}  // namespace
}  // namespace trainyard::training
