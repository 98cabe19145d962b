#include "libs/training/executor.h"

#include <cmath>
#include <map>
#include <stop_token>

#include "ATen/TensorOperators.h"
#include "ATen/autocast_mode.h"
#include "ATen/ops/conv2d.h"
#include "ATen/ops/relu.h"
#include "libs/training/torch_status.h"
#include "libs/training/torch_tensor.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_graphs.h"

namespace trainyard::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::Floats;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::StatusIs;

graph::BatchNormParameters UnitBatchNorm(int64_t channels) {
  const std::vector<float> ones(channels, 1.0f), zeros(channels, 0.0f);
  return {.gamma = Floats({channels}, ones),
          .beta = Floats({channels}, zeros),
          .mean = Floats({channels}, zeros),
          .variance = Floats({channels}, ones),
          .epsilon = 1e-3f,
          .momentum = 0.9f};
}

// conv -> bn -> relu, with a shortcut added: what a residual unit is made of.
graph::Graph SmallGraph() {
  graph::GraphBuilder builder("small");
  const std::string x = builder.Input("x", {-1, 2, 6, 6});
  const std::string conv = builder.Conv("conv", x, RandomTensor({4, 2, 3, 3}, 1), std::nullopt,
                                        {.pad = 1});
  const std::string bn = builder.BatchNorm("bn", conv, UnitBatchNorm(4));
  const std::string relu = builder.Relu("relu", bn);
  const std::string shortcut =
      builder.Conv("shortcut", x, RandomTensor({4, 2, 1, 1}, 2), RandomTensor({4}, 3), {});
  const std::string add = builder.Add("add", relu, shortcut);
  builder.Output(builder.Relu("out", add), {-1, 4, 6, 6});
  return *std::move(builder).Finish();
}

std::unique_ptr<Executor> Make(const graph::Graph& graph, ExecutorOptions options = {}) {
  auto executor = Executor::Create(graph, std::move(options));
  EXPECT_THAT(executor, IsOk());
  return *std::move(executor);
}

at::Tensor Input(uint64_t seed, int64_t n = 2) {
  return ToTorch(RandomTensor({n, 2, 6, 6}, seed));
}

TEST(ExecutorTest, ParametersAreKernelsBiasesAndAffinesAndStatisticsAreApart) {
  const auto executor = Make(SmallGraph());
  std::vector<std::string> names;
  for (const Parameter& parameter : executor->parameters()) names.push_back(parameter.name);
  EXPECT_THAT(names, UnorderedElementsAre("conv/kernel", "bn/gamma", "bn/beta", "shortcut/kernel",
                                          "shortcut/bias"));
  ASSERT_EQ(executor->statistics().size(), 2u);
  EXPECT_EQ(executor->statistics()[0].first, "bn/moving_mean");
}

TEST(ExecutorTest, BatchNormalizationTrainsOnTheBatchAndMovesItsStatistics) {
  graph::GraphBuilder builder("bn");
  const std::string x = builder.Input("x", {-1, 1, 1, 2});
  builder.Output(builder.BatchNorm("bn", x, UnitBatchNorm(1)), {-1, 1, 1, 2});
  const auto executor = Make(*std::move(builder).Finish());
  // Values 1, 2, 3, 6: mean 3, biased variance 3.5, unbiased 14/3.
  const at::Tensor batch = ToTorch(Floats({2, 1, 1, 2}, {1, 2, 3, 6}));
  auto outputs = executor->Forward({batch}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  EXPECT_NEAR((*outputs)[0].flatten()[3].item<float>(), 3 / std::sqrt(3.501), 1e-5);
  EXPECT_NEAR(executor->statistics()[0].second[0].item<float>(), 0.3, 1e-6);
  EXPECT_NEAR(executor->statistics()[1].second[0].item<float>(), 0.9 + 0.1 * 14 / 3, 1e-5);

  auto inference = executor->Forward({batch}, Mode::kInference);
  ASSERT_THAT(inference, IsOk());
  EXPECT_NEAR((*inference)[0].flatten()[3].item<float>(),
              (6 - 0.3) / std::sqrt(0.9 + 1.4 / 3 + 1e-3), 1e-4);
}

TEST(ExecutorTest, ABatchOfOneValueHasNoVariance) {
  graph::GraphBuilder builder("bn");
  const std::string x = builder.Input("x", {-1, 1, 1, 1});
  builder.Output(builder.BatchNorm("bn", x, UnitBatchNorm(1)), {-1, 1, 1, 1});
  const auto executor = Make(*std::move(builder).Finish());
  auto outputs = executor->Forward({ToTorch(Floats({1, 1, 1, 1}, {5}))}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  EXPECT_NEAR((*outputs)[0].item<float>(), 0, 1e-4);
  EXPECT_NEAR(executor->statistics()[0].second[0].item<float>(), 0.5, 1e-6);
  EXPECT_NEAR(executor->statistics()[1].second[0].item<float>(), 0.9, 1e-6);
}

TEST(ExecutorTest, FrozenBatchNormalizationKeepsStatisticsAndAffine) {
  ExecutorOptions options;
  options.flags.add_frozen_batch_norm("bn");
  const auto executor = Make(SmallGraph(), options);
  auto outputs = executor->Forward({Input(5)}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  (*outputs)[0].sum().backward();
  EXPECT_EQ(executor->statistics()[0].second.abs().max().item<float>(), 0);
  for (const Parameter& parameter : executor->parameters()) {
    const bool affine = parameter.name == "bn/gamma" || parameter.name == "bn/beta";
    EXPECT_EQ(parameter.frozen, affine) << parameter.name;
    EXPECT_EQ(parameter.value.grad().defined(), !affine) << parameter.name;
  }
}

TEST(ExecutorTest, FrozenInitializersGetNoGradient) {
  ExecutorOptions options;
  options.flags.add_frozen("conv/kernel");
  options.flags.add_regularized("conv/kernel");
  options.flags.add_regularized("shortcut/kernel");
  const auto executor = Make(SmallGraph(), options);
  auto outputs = executor->Forward({Input(5)}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  (*outputs)[0].sum().backward();
  for (const Parameter& parameter : executor->parameters()) {
    EXPECT_EQ(parameter.value.grad().defined(), parameter.name != "conv/kernel");
    EXPECT_EQ(parameter.regularized, parameter.name == "shortcut/kernel");
  }
}

// The executor reuses memory where it may; written out without that, the gradients are the same.
TEST(ExecutorTest, GradientsAgreeWithTheNetworkWrittenByHand) {
  const auto executor = Make(SmallGraph());
  const at::Tensor x = Input(7);
  const at::Tensor weights = ToTorch(RandomTensor({2, 4, 6, 6}, 8));
  auto outputs = executor->Forward({x}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  (*outputs)[0].mul(weights).sum().backward();

  const auto leaf = [](const Tensor& values) {
    return ToTorch(values).clone().requires_grad_(true);
  };
  std::map<std::string, at::Tensor> by_hand = {{"conv/kernel", leaf(RandomTensor({4, 2, 3, 3}, 1))},
                                               {"bn/gamma", leaf(Floats({4}, {1, 1, 1, 1}))},
                                               {"bn/beta", leaf(Floats({4}, {0, 0, 0, 0}))},
                                               {"shortcut/kernel", leaf(RandomTensor({4, 2, 1, 1}, 2))},
                                               {"shortcut/bias", leaf(RandomTensor({4}, 3))}};
  const at::Tensor conv = at::conv2d(x, by_hand["conv/kernel"], {}, 1, 1);
  const at::Tensor mean = conv.mean({0, 2, 3}, true);
  const at::Tensor variance = (conv - mean).square().mean({0, 2, 3}, true);
  const at::Tensor bn = (conv - mean) / (variance + 1e-3).sqrt() *
                            by_hand["bn/gamma"].reshape({1, 4, 1, 1}) +
                        by_hand["bn/beta"].reshape({1, 4, 1, 1});
  const at::Tensor shortcut = at::conv2d(x, by_hand["shortcut/kernel"], by_hand["shortcut/bias"]);
  at::relu(at::relu(bn) + shortcut).mul(weights).sum().backward();
  for (const Parameter& parameter : executor->parameters()) {
    const at::Tensor difference = parameter.value.grad() - by_hand[parameter.name].grad();
    EXPECT_LT(difference.abs().max().item<float>(), 2e-4) << parameter.name;
  }
}

TEST(ExecutorTest, TheMemoryLayoutDoesNotChangeResults) {
  const graph::Graph graph = SmallGraph();
  const Tensor x = RandomTensor({3, 2, 6, 6}, 9);
  auto last = Make(graph, {.channels_last = true})->Run({x});
  auto first = Make(graph, {.channels_last = false})->Run({x});
  ASSERT_THAT(last, IsOk());
  ASSERT_THAT(first, IsOk());
  const auto a = (*last)[0].data<float>(), b = (*first)[0].data<float>();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
}

// bf16 has 8 bits of mantissa: near, but not the same; and the parameters and their gradients stay f32.
TEST(ExecutorTest, AutocastComputesInBf16AndKeepsParametersInF32) {
  const graph::Graph graph = SmallGraph();
  const auto exact = Make(graph), cast = Make(graph, {.autocast = true});
  const auto expected = exact->Forward({Input(7)}, Mode::kTraining);
  const auto rounded = cast->Forward({Input(7)}, Mode::kTraining);
  ASSERT_THAT(expected, IsOk());
  ASSERT_THAT(rounded, IsOk());
  EXPECT_EQ((*rounded)[0].scalar_type(), at::kFloat);
  const float difference = ((*expected)[0] - (*rounded)[0]).abs().max().item<float>();
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 0.2);
  (*expected)[0].sum().backward();
  (*rounded)[0].sum().backward();
  for (size_t i = 0; i < cast->parameters().size(); ++i) {
    const at::Tensor& parameter = cast->parameters()[i].value;
    EXPECT_EQ(parameter.scalar_type(), at::kFloat);
    ASSERT_EQ(parameter.grad().scalar_type(), at::kFloat);
    const at::Tensor right = exact->parameters()[i].value.grad();
    const float error = (parameter.grad() - right).norm().item<float>();
    EXPECT_LT(error, 0.1f * right.norm().item<float>() + 0.1f) << cast->parameters()[i].name;
  }
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU)) << "the scope ends with the call";
}

// A step may take seconds; a stop does not wait for its end.
TEST(ExecutorTest, AStopEndsForwardAndBackwardBetweenTwoLayers) {
  std::stop_source stop;
  const auto executor = Make(SmallGraph(), {.stop = stop.get_token()});
  const auto outputs = executor->Forward({Input(7)}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  stop.request_stop();
  EXPECT_THROW((*outputs)[0].sum().backward(), StopRequested);
  EXPECT_THAT(executor->Forward({Input(7)}, Mode::kTraining),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("given up")));
}

TEST(ExecutorTest, LookingForAStopChangesNoGradient) {
  std::stop_source stop;
  const auto watched = Make(SmallGraph(), {.stop = stop.get_token()}), plain = Make(SmallGraph());
  for (Executor* executor : {watched.get(), plain.get()}) {
    const auto outputs = executor->Forward({Input(7)}, Mode::kTraining);
    ASSERT_THAT(outputs, IsOk());
    (*outputs)[0].square().sum().backward();
  }
  for (size_t i = 0; i < plain->parameters().size(); ++i) {
    EXPECT_TRUE(
        watched->parameters()[i].value.grad().equal(plain->parameters()[i].value.grad()));
  }
}

TEST(ExecutorTest, WriteBackAndReadFromAreOpposites) {
  graph::Graph graph = SmallGraph();
  const auto executor = Make(graph);
  auto outputs = executor->Forward({Input(5)}, Mode::kTraining);
  ASSERT_THAT(outputs, IsOk());
  outputs->clear();
  for (const Parameter& parameter : executor->parameters()) parameter.value.detach().add_(1.0);
  ASSERT_THAT(executor->WriteBack(graph), IsOk());
  const auto again = Make(SmallGraph());
  ASSERT_THAT(again->ReadFrom(graph), IsOk());
  const Tensor x = RandomTensor({1, 2, 6, 6}, 4);
  const Tensor a = (*executor->Run({x}))[0], b = (*again->Run({x}))[0];
  EXPECT_TRUE(std::equal(a.data<float>().begin(), a.data<float>().end(), b.data<float>().begin()));
}

TEST(ExecutorTest, FlagsThatNameNothingAreAllTold) {
  ExecutorOptions options;
  options.flags.add_frozen("nowhere/kernel");
  options.flags.add_frozen_batch_norm("conv");
  EXPECT_THAT(Executor::Create(SmallGraph(), options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::AllOf(HasSubstr("'nowhere/kernel'"), HasSubstr("'conv'"))));
}

TEST(ExecutorTest, AWrongCountOrShapeOfInputsIsAnError) {
  const auto executor = Make(SmallGraph());
  EXPECT_THAT(executor->Run({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(executor->Run({RandomTensor({1, 5, 6, 6}, 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[1, 5, 6, 6]")));
  EXPECT_THAT(executor->Run({Tensor::Zeros(DType::kUInt8, {1, 2, 6, 6})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("u8")));
}

}  // namespace
}  // namespace trainyard::training
