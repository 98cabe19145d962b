#include "libs/networks/classification/classification_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/layers/initial_weights.h"
#include "libs/layers/layer_writer.h"

namespace trainyard::networks {

absl::StatusOr<ClassifierGraph> BuildClassifier(const ClassifierArchitecture& architecture) {
  const ClassifierArchitecture& a = architecture;
  if (a.classes < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a classifier needs at least 2 classes; there are ", a.classes));
  }
  graph::GraphBuilder builder(absl::StrCat("classification_", layers::BackboneName(a.backbone)));
  const layers::FeatureMap input{
      .value = builder.Input(kClassifierInput, {-1, a.channels, a.height, a.width}),
      .channels = a.channels,
      .height = a.height,
      .width = a.width};
  TY_ASSIGN_OR_RETURN(layers::Backbone backbone, layers::AddBackbone(builder, a.backbone, input));
  layers::LayerWriter writer(builder, a.backbone.seed);
  const layers::FeatureMap pooled = writer.GlobalAveragePool("avg_pool", backbone.output());
  const std::string features = builder.Flatten("flatten", pooled.value);
  const Tensor kernel =
      layers::InitialKernel(layers::KernelInit::kGlorotUniform, {a.classes, pooled.channels},
                            a.backbone.seed, absl::StrCat(kClassifierLogits, "/kernel"));
  const Tensor bias = Tensor::Zeros(DType::kFloat32, {a.classes});
  builder.Output(builder.Gemm(kClassifierLogits, features, kernel, bias), {-1, a.classes});
  TY_ASSIGN_OR_RETURN(graph::Graph graph, std::move(builder).Finish());
  return ClassifierGraph{.graph = std::move(graph), .blocks = std::move(backbone.blocks)};
}

}  // namespace trainyard::networks
