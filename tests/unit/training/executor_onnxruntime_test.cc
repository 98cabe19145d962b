// An independent witness: onnxruntime computes the same from the graph that training wrote back.

#include <algorithm>
#include <cmath>
#include <unistd.h>

#include "ATen/TensorOperators.h"
#include "ATen/core/grad_mode.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/training/executor.h"
#include "libs/training/losses/ssd_loss.h"
#include "libs/training/torch_tensor.h"
#include "tests/support/backbone_graph.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/places.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_graphs.h"

namespace trainyard::training {
namespace {

using ::trainyard::testing::BuildBackbone;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::OracleJob;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::RunOnnxruntime;
using ::trainyard::testing::SmallBackbones;

void ExpectSame(const std::vector<Tensor>& ours, const std::vector<Tensor>& theirs,
                const std::vector<std::string>& names) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].shape(), theirs[i].shape());
    const auto a = ours[i].data<float>(), b = theirs[i].data<float>();
    float largest = 0, difference = 0;
    for (size_t j = 0; j < a.size(); ++j) {
      largest = std::max(largest, std::abs(b[j]));
      difference = std::max(difference, std::abs(a[j] - b[j]));
    }
    // Sums of up to 4608 f32 terms in another order.
    EXPECT_LT(difference, 1e-4f * largest) << names[i];
  }
}

TEST(ExecutorWitnessTest, OnnxruntimeFindsTheSameHeadsAfterTrainingStepsOfTheStatistics) {
  if (access((SourceDir() + "/.deps/venv/bin/python").c_str(), X_OK) != 0) {
    GTEST_SKIP() << "the Python test environment is not there; scripts/bootstrap makes it";
  }
  auto built = networks::BuildSsd({.depth = 10, .width = 128, .height = 128, .classes = 3}, 5);
  ASSERT_THAT(built, IsOk());
  graph::Graph& graph = built->graph;
  auto executor = Executor::Create(graph, {});
  ASSERT_THAT(executor, IsOk());
  // Statistics that are not 0 and 1 any more.
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const at::Tensor batch = ToTorch(RandomTensor({4, 3, 128, 128}, seed));
    ASSERT_THAT((*executor)->Forward({batch}, Mode::kTraining), IsOk());
  }
  ASSERT_THAT((*executor)->WriteBack(graph), IsOk());

  const Tensor input = RandomTensor({2, 3, 128, 128}, 9);
  auto ours = (*executor)->Run({input});
  auto theirs = RunOnnxruntime(graph, input);
  ASSERT_THAT(ours, IsOk());
  ASSERT_THAT(theirs, IsOk());
  ExpectSame(*ours, *theirs, (*executor)->output_names());
}

// Every operator that a backbone has, forwards and backwards, on sizes of which the odd pixel is left
// over somewhere. Gradients of single operators are in operators_test.cc.
TEST(ExecutorWitnessTest, OnnxruntimeFindsTheSameMapsOfEveryBackbone) {
  if (access((SourceDir() + "/.deps/venv/bin/python").c_str(), X_OK) != 0) {
    GTEST_SKIP() << "the Python test environment is not there; scripts/bootstrap makes it";
  }
  const Tensor input = RandomTensor({2, 3, 70, 65}, 9);
  std::vector<OracleJob> jobs;
  std::vector<std::vector<Tensor>> ours;
  std::vector<std::vector<std::string>> names;
  for (const layers::BackboneOptions& options : SmallBackbones()) {
    SCOPED_TRACE(options.arch);
    auto built = BuildBackbone(options, 70, 65);
    ASSERT_THAT(built, IsOk());
    auto executor = Executor::Create(built->graph, {});
    ASSERT_THAT(executor, IsOk());
    auto outputs = (*executor)->Forward({ToTorch(RandomTensor({4, 3, 70, 65}, 1))}, Mode::kTraining);
    ASSERT_THAT(outputs, IsOk());
    outputs->back().square().mean().backward();
    for (const Parameter& parameter : (*executor)->parameters()) {
      ASSERT_TRUE(parameter.value.grad().defined()) << parameter.name;
      EXPECT_TRUE(parameter.value.grad().isfinite().all().item<bool>()) << parameter.name;
    }
    ASSERT_THAT((*executor)->WriteBack(built->graph), IsOk());
    jobs.push_back({built->graph.Serialize(), input});
    auto maps = (*executor)->Run({input});
    ASSERT_THAT(maps, IsOk());
    ours.push_back(*std::move(maps));
    names.push_back((*executor)->output_names());
  }
  const auto theirs = RunOnnxruntime(jobs);
  ASSERT_THAT(theirs, IsOk());
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(SmallBackbones()[i].arch);
    ExpectSame(ours[i], (*theirs)[i], names[i]);
  }
}

/// Classes 0, 1, 2 by turns, and boxes that are the anchors.
std::vector<at::Tensor> TargetsOf(const at::Tensor& locations) {
  const int64_t images = locations.size(0), anchors = locations.size(1);
  Tensor classes = Tensor::Zeros(DType::kInt32, {images, anchors});
  for (int64_t i = 0; i < classes.size(); ++i) {
    classes.data<int32_t>()[i] = static_cast<int32_t>(i % 3);
  }
  return {ToTorch(classes), ToTorch(Tensor::Zeros(DType::kFloat32, {images, anchors, 4}))};
}

/// Goes down the gradient as far as would take a hundredth off the loss, were it straight.
void Descend(const Executor& executor, double loss) {
  const at::NoGradGuard no_grad;
  double steepness = 0;
  for (const Parameter& parameter : executor.parameters()) {
    ASSERT_TRUE(parameter.value.grad().defined()) << parameter.name;
    steepness += parameter.value.grad().square().sum().item<double>();
  }
  ASSERT_TRUE(std::isfinite(steepness));
  for (const Parameter& parameter : executor.parameters()) {
    at::Tensor value = parameter.value;
    value.sub_(parameter.value.grad() * (0.01 * loss / steepness));
  }
}

// A step of a training on every backbone: the loss falls, and the heads are those that onnxruntime
// finds.
TEST(ExecutorWitnessTest, AnSsdLearnsOnEveryBackbone) {
  if (access((SourceDir() + "/.deps/venv/bin/python").c_str(), X_OK) != 0) {
    GTEST_SKIP() << "the Python test environment is not there; scripts/bootstrap makes it";
  }
  std::vector<networks::SsdArchitecture> ssds = testing::SmallSsds();
  // As large as all others together, without an operator of its own.
  std::erase_if(ssds, [](const networks::SsdArchitecture& ssd) { return ssd.depth == 53; });
  const Tensor input = RandomTensor({1, 3, 131, 137}, 9);
  const at::Tensor batch = ToTorch(RandomTensor({2, 3, 131, 137}, 1));
  std::vector<OracleJob> jobs;
  std::vector<std::vector<Tensor>> ours;
  for (const networks::SsdArchitecture& ssd : ssds) {
    SCOPED_TRACE(ssd.arch);
    Model model = testing::SsdModel(ssd, {"car", "person"});
    auto executor = Executor::Create(model.graph, {});
    ASSERT_THAT(executor, IsOk());
    SsdLoss loss(0, 1, {});
    double before = 0;
    for (const bool first : {true, false}) {
      const auto outputs = (*executor)->Forward({batch}, Mode::kTraining);
      ASSERT_THAT(outputs, IsOk());
      const auto value = loss.Compute(*outputs, TargetsOf((*outputs)[1]));
      ASSERT_THAT(value, IsOk());
      if (!first) {
        EXPECT_LT(value->item<double>(), before);
        break;
      }
      before = value->item<double>();
      value->backward();
      Descend(**executor, before);
    }
    ASSERT_THAT((*executor)->WriteBack(model.graph), IsOk());
    jobs.push_back({model.graph.Serialize(), input});
    auto heads = (*executor)->Run({input});
    ASSERT_THAT(heads, IsOk());
    ours.push_back(*std::move(heads));
  }
  const auto theirs = RunOnnxruntime(jobs);
  ASSERT_THAT(theirs, IsOk());
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(ssds[i].arch);
    ExpectSame(ours[i], (*theirs)[i], {"mbox_conf", "mbox_loc"});
  }
}

}  // namespace
}  // namespace trainyard::training
