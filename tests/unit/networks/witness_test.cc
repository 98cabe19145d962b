// What onnxruntime, which shares no line with us, makes of the graphs of this room.
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/fold.h"
#include "libs/networks/ssd/lower_head.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::trainyard::testing::IsOk;
using ::trainyard::testing::MaxDifference;
using ::trainyard::testing::RunOnnxruntime;
using ::trainyard::testing::SmallSsd;

/// An SSD whose normalizations do something, as after a training.
Model TrainedLookingSsd() {
  Model model = SmallSsd();
  for (const std::string& name : model.graph.InitializerNames()) {
    const std::string part = name.substr(name.find('/') + 1);
    const bool shift = part == "moving_mean" || part == "beta";
    if (!shift && part != "moving_variance" && part != "gamma") continue;
    Tensor tensor = *model.graph.Initializer(name);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const float wave = static_cast<float>(std::sin(static_cast<double>(i)));
      tensor.data<float>()[i] = shift ? 0.1f * wave : 1 + 0.5f * wave;
    }
    EXPECT_THAT(model.graph.SetInitializer(name, tensor), IsOk());
  }
  return model;
}

Tensor Picture() {
  Tensor picture = testing::Wavy({2, 3, 128, 128});
  for (float& v : picture.data<float>()) v *= 60;
  return picture;
}

TEST(WitnessTest, FoldingChangesNothingThatCanBeSeen) {
  const Model model = TrainedLookingSsd();
  graph::Graph folded = model.graph.Clone();
  ASSERT_THAT(graph::FoldBatchNorm(folded), IsOk());
  const auto before = RunOnnxruntime(model.graph, Picture());
  const auto after = RunOnnxruntime(folded, Picture());
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  // Logits are of the order of 10; a float holds seven digits of them.
  for (int i = 0; i < 2; ++i) EXPECT_LT(MaxDifference((*before)[i], (*after)[i]), 1e-3);
}

TEST(WitnessTest, LoweredScoresAreTheSoftmaxOfTheRawHead) {
  const Model model = TrainedLookingSsd();
  absl::StatusOr<graph::Graph> lowered = LowerSsdHead(model);
  ASSERT_THAT(lowered, IsOk());
  const auto raw = RunOnnxruntime(model.graph, Picture());
  const auto scores = RunOnnxruntime(*lowered, Picture());
  ASSERT_THAT(raw, IsOk());
  ASSERT_THAT(scores, IsOk());
  const Tensor &logits = (*raw)[0], &probabilities = (*scores)[0];
  ASSERT_EQ(logits.shape(), probabilities.shape());
  const int64_t classes = logits.dim(2);
  for (int64_t row = 0; row < logits.size() / classes; ++row) {
    const auto values = logits.data<float>().subspan(row * classes, classes);
    double sum = 0;
    for (const float v : values) sum += std::exp(double{v});
    for (int64_t k = 0; k < classes; ++k) {
      ASSERT_NEAR(probabilities.data<float>()[row * classes + k], std::exp(double{values[k]}) / sum,
                  1e-5);
    }
  }
  EXPECT_EQ((*scores)[1].shape(), (Shape{2, logits.dim(1), 4}));
}

}  // namespace
}  // namespace trainyard::networks
