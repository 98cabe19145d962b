#pragma once

#include "libs/layers/internal/backbone_writer.h"

/// The families, a file each. Each writes its layers behind `input` and returns its last map; the
/// options are checked.
namespace trainyard::layers {

FeatureMap WriteAlexNet(BackboneWriter& writer, const BackboneOptions& options,
                        const FeatureMap& input);
FeatureMap WriteDarkNet(BackboneWriter& writer, const BackboneOptions& options,
                        const FeatureMap& input);
FeatureMap WriteEfficientNet(BackboneWriter& writer, const BackboneOptions& options,
                             const FeatureMap& input);
FeatureMap WriteGoogLeNet(BackboneWriter& writer, const BackboneOptions& options,
                          const FeatureMap& input);
FeatureMap WriteMobileNetV1(BackboneWriter& writer, const BackboneOptions& options,
                            const FeatureMap& input);
FeatureMap WriteMobileNetV2(BackboneWriter& writer, const BackboneOptions& options,
                            const FeatureMap& input);
FeatureMap WriteResNet(BackboneWriter& writer, const BackboneOptions& options,
                       const FeatureMap& input);
FeatureMap WriteSqueezeNet(BackboneWriter& writer, const BackboneOptions& options,
                           const FeatureMap& input);
FeatureMap WriteVgg(BackboneWriter& writer, const BackboneOptions& options,
                    const FeatureMap& input);

}  // namespace trainyard::layers
