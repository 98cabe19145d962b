#include "libs/layers/internal/backbone_writer.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"

namespace trainyard::layers {

BackboneWriter::BackboneWriter(graph::GraphBuilder& builder, const BackboneOptions& options,
                               const FamilyDefaults& defaults, const FeatureMap& input)
    : options_(options), defaults_(defaults), input_(input), layers_(builder, options.seed) {}

void BackboneWriter::BeginBlock(int id) { backbone_.blocks.push_back({.id = id}); }

FeatureMap BackboneWriter::Conv(const std::string& name, const FeatureMap& x, int64_t channels,
                                const ConvShape& shape) {
  Leave(x, shape.stride);
  backbone_.blocks.back().convolutions.push_back(name);
  const FeatureMap y = layers_.Conv(name, x, channels,
                                    {.kernel = shape.kernel,
                                     .stride = shape.stride,
                                     .bias = shape.bias.value_or(options_.use_bias),
                                     .depthwise = shape.depthwise,
                                     .padding = defaults_.padding,
                                     .init = defaults_.init});
  CheckSize(y);
  return y;
}

FeatureMap BackboneWriter::Norm(const std::string& name, const FeatureMap& x) {
  if (!options_.use_batch_norm && !defaults_.always_norm) return x;
  backbone_.blocks.back().batch_norms.push_back(name);
  return layers_.BatchNorm(
      name, x,
      {.epsilon = options_.batch_norm_epsilon.value_or(defaults_.norm.epsilon),
       .momentum = options_.batch_norm_momentum.value_or(defaults_.norm.momentum)});
}

FeatureMap BackboneWriter::Activate(const std::string& name, const FeatureMap& x) {
  return layers_.Activate(name, x, options_.activation.value_or(defaults_.activation));
}

FeatureMap BackboneWriter::ConvNormActivate(const ConvNames& names, const FeatureMap& x,
                                            int64_t channels, const ConvShape& shape) {
  return Activate(names.activation, Norm(names.norm, Conv(names.conv, x, channels, shape)));
}

FeatureMap BackboneWriter::MaxPool(const std::string& name, const FeatureMap& x, int64_t kernel,
                                   int64_t stride) {
  Leave(x, stride);
  const FeatureMap y = layers_.MaxPool(name, x, kernel, stride);
  CheckSize(y);
  return y;
}

void BackboneWriter::Leave(const FeatureMap& x, int64_t stride) {
  if (stride == 1 || x.value == input_.value) return;
  std::vector<FeatureMap>& maps = backbone_.maps;
  // A unit and its shortcut read the same map.
  if (maps.empty() || maps.back().value != x.value) maps.push_back(x);
}

void BackboneWriter::CheckSize(const FeatureMap& map) {
  if (map.height > 0 && map.width > 0) return;
  status_.Update(absl::InvalidArgumentError(absl::StrFormat(
      "an input of %d x %d pixels is too small for '%s': its layer '%s' would have none",
      input_.width, input_.height, BackboneName(options_), map.value)));
}

absl::StatusOr<Backbone> BackboneWriter::Finish(const FeatureMap& output) && {
  TY_RETURN_IF_ERROR(status_);
  backbone_.maps.push_back(output);
  return std::move(backbone_);
}

}  // namespace trainyard::layers
