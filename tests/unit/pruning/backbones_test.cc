#include <optional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pruning/prune.h"
#include "tests/support/backbone_graph.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallBackbones;

/// A classifier of five classes on the backbone.
Model Classifier(const layers::BackboneOptions& options) {
  graph::GraphBuilder builder(options.arch);
  const layers::FeatureMap input{
      .value = builder.Input("input_1", {-1, 3, 64, 64}), .channels = 3, .height = 64, .width = 64};
  const auto backbone = layers::AddBackbone(builder, options, input);
  EXPECT_THAT(backbone, IsOk());
  const layers::FeatureMap& output = backbone->output();
  const Tensor kernel = layers::InitialKernel(layers::KernelInit::kGlorotUniform,
                                              {5, output.channels}, 1, "predictions/kernel");
  const std::string features =
      builder.Flatten("flatten", builder.GlobalAveragePool("avg_pool", output.value));
  builder.Output(builder.Gemm("predictions", features, kernel, std::nullopt), {-1, 5});
  absl::StatusOr<graph::Graph> graph = std::move(builder).Finish();
  EXPECT_THAT(graph, IsOk());
  return {*std::move(graph), {}};
}

// No node of a backbone keeps channels from being cut: a warning would name it.
TEST(BackbonesTest, HalfOfEveryFamilyCanGo) {
  for (layers::BackboneOptions options : SmallBackbones()) {
    for (const bool projections : {true, false}) {
      SCOPED_TRACE(options.arch);
      options.all_projections = projections;
      const Model model = Classifier(options);
      PruneOptions half{.min_filters = 8};
      const absl::StatusOr<double> threshold = ThresholdForRatio(model, half, 0.5);
      ASSERT_THAT(threshold, IsOk());
      half.threshold = *threshold;
      const absl::StatusOr<PruneResult> pruned = Prune(model, half);
      ASSERT_THAT(pruned, IsOk());
      EXPECT_THAT(pruned->warnings, IsEmpty());
      EXPECT_LE(pruned->ratio, 0.5);
      EXPECT_THAT(pruned->model.graph.InferShapes(), IsOk());
    }
  }
}

}  // namespace
}  // namespace trainyard::pruning
