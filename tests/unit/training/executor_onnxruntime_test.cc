// An independent witness: onnxruntime computes the same heads from the graph that training wrote back.

#include <algorithm>
#include <cmath>
#include <unistd.h>

#include "ATen/TensorOperators.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/training/executor.h"
#include "libs/training/torch_tensor.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_graphs.h"

namespace trainyard::training {
namespace {

using ::trainyard::testing::IsOk;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::RunOnnxruntime;

TEST(ExecutorWitnessTest, OnnxruntimeFindsTheSameHeadsAfterTrainingStepsOfTheStatistics) {
  if (access((SourceDir() + "/.deps/venv/bin/python").c_str(), X_OK) != 0) {
    GTEST_SKIP() << "the Python test environment is not there; scripts/bootstrap makes it";
  }
  auto graph = BuildSsdGraph({.depth = 10, .width = 128, .height = 128, .classes = 3}, 5);
  ASSERT_THAT(graph, IsOk());
  auto executor = Executor::Create(*graph, {});
  ASSERT_THAT(executor, IsOk());
  // Statistics that are not 0 and 1 any more.
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    const at::Tensor batch = ToTorch(RandomTensor({4, 3, 128, 128}, seed));
    ASSERT_THAT((*executor)->Forward({batch}, Mode::kTraining), IsOk());
  }
  ASSERT_THAT((*executor)->WriteBack(*graph), IsOk());

  const Tensor input = RandomTensor({2, 3, 128, 128}, 9);
  auto ours = (*executor)->Run({input});
  auto theirs = RunOnnxruntime(*graph, input);
  ASSERT_THAT(ours, IsOk());
  ASSERT_THAT(theirs, IsOk());
  ASSERT_EQ(ours->size(), theirs->size());
  for (size_t i = 0; i < ours->size(); ++i) {
    ASSERT_EQ((*ours)[i].shape(), (*theirs)[i].shape());
    const auto a = (*ours)[i].data<float>(), b = (*theirs)[i].data<float>();
    float largest = 0, difference = 0;
    for (size_t j = 0; j < a.size(); ++j) {
      largest = std::max(largest, std::abs(b[j]));
      difference = std::max(difference, std::abs(a[j] - b[j]));
    }
    // Sums of up to 4608 f32 terms in another order.
    EXPECT_LT(difference, 1e-4f * std::max(1.0f, largest)) << (*executor)->output_names()[i];
  }
}

}  // namespace
}  // namespace trainyard::training
