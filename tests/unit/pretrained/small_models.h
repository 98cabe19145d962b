#pragma once

#include <string>

#include "libs/base/digest.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"
#include "libs/pretrained/convert.h"
#include "tests/support/safetensors.h"

namespace trainyard::testing {

/// A backbone alone, for 64x64 pixels.
inline graph::Graph BackboneGraph(const layers::BackboneOptions& options) {
  graph::GraphBuilder builder("backbone");
  const layers::FeatureMap input{builder.Input("Input", {-1, 3, 64, 64}), 3, 64, 64};
  const layers::FeatureMap map = layers::AddBackbone(builder, options, input)->output();
  builder.Output(map.value, {-1, map.channels, map.height, map.width});
  return *std::move(builder).Finish();
}

/// An entry of a user's own for 64x64 pixels.
inline pretrained::PretrainedModel OwnEntry(const std::string& name, const std::string& backbone) {
  pretrained::PretrainedModel entry;
  entry.set_name(name);
  entry.set_backbone(backbone);
  entry.mutable_preprocess()->set_width(64);
  entry.mutable_preprocess()->set_height(64);
  entry.mutable_preprocess()->set_order(model::v1::Preprocess::RGB);
  return entry;
}

/// A model made of random weights: the smallest backbone that is offered.
inline pretrained::ImportedModel SmallModel(const std::string& name, uint64_t seed = 5) {
  const std::string file = SafetensorsOf(BackboneGraph({.arch = "squeezenet", .seed = seed}));
  return *pretrained::ImportWeights(*weights::ParseWeights(file, "a.safetensors"), "a.safetensors",
                                    Sha256Hex(file), OwnEntry(name, "squeezenet"));
}

}  // namespace trainyard::testing
