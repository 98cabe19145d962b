#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"

namespace trainyard::testing {

/// A network that is a backbone.
struct BackboneGraph {
  graph::Graph graph;
  layers::Backbone backbone;
};

/// A backbone behind the input "Input" of [N, channels, height, width], whose maps are all outputs.
inline absl::StatusOr<BackboneGraph> BuildBackbone(const layers::BackboneOptions& options,
                                                   int64_t height, int64_t width,
                                                   int64_t channels = 3) {
  graph::GraphBuilder builder(layers::BackboneName(options));
  const layers::FeatureMap input{.value = builder.Input("Input", {-1, channels, height, width}),
                                 .channels = channels,
                                 .height = height,
                                 .width = width};
  TY_ASSIGN_OR_RETURN(layers::Backbone backbone, layers::AddBackbone(builder, options, input));
  for (const layers::FeatureMap& map : backbone.maps) {
    builder.Output(map.value, {-1, map.channels, map.height, map.width});
  }
  TY_ASSIGN_OR_RETURN(graph::Graph graph, std::move(builder).Finish());
  return BackboneGraph{std::move(graph), std::move(backbone)};
}

/// The smallest member of each family.
inline const std::vector<layers::BackboneOptions>& SmallBackbones() {
  static const auto& all = *new std::vector<layers::BackboneOptions>{
      {.arch = "alexnet"},         {.arch = "darknet", .n_layers = 19},
      {.arch = "efficientnet_b0"}, {.arch = "efficientnet_lite0"},
      {.arch = "googlenet"},       {.arch = "mobilenet_v1"},
      {.arch = "mobilenet_v2"},    {.arch = "resnet", .n_layers = 10},
      {.arch = "squeezenet"},      {.arch = "vgg", .n_layers = 16},
  };
  return all;
}

}  // namespace trainyard::testing
