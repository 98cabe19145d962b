#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/graph/builder.h"
#include "libs/layers/layer_writer.h"

namespace trainyard::layers {

/// An architecture that specs may name.
struct Architecture {
  /// TAO's `arch`.
  std::string arch;
  /// The values of `n_layers` that it is offered with; empty: it has no such number.
  std::vector<int> depths;
};

/// All architectures, by name. docs/backbones.md has their layers, parameters and sources.
const std::vector<Architecture>& Architectures();

/// Which backbone, and what networks change in it. The names and meanings are those of TAO's specs,
/// the defaults those of TAO's detectors.
struct BackboneOptions {
  std::string arch;
  /// Read where the architecture has depths.
  int n_layers = 0;
  /// SqueezeNet and AlexNet have no batch normalization, whatever this says, and EfficientNets
  /// have.
  bool use_batch_norm = true;
  /// Biases of convolutions before a batch normalization. SqueezeNet and AlexNet always have them.
  bool use_bias = false;
  /// ResNet and VGG: max-pooling in place of strided convolutions. ResNet's last block then has
  /// stride 32, else 16.
  bool use_pooling = false;
  /// ResNet and MobileNet v2: a 1x1 convolution on every shortcut, so that each unit can be pruned
  /// by itself; else ResNet has one in the first unit of a block and MobileNet v2 has none.
  bool all_projections = true;
  /// MobileNets: 32, or 16 without the last blocks, as detectors use them.
  int total_stride = 32;
  /// In place of the architecture's own: leaky ReLU in DarkNets, swish in EfficientNets, ReLU6 in
  /// EfficientNet-Lites, ReLU in all others. Names of nodes do not follow it.
  std::optional<Activation> activation;
  /// In place of Keras' 1e-3 and 0.99 (0.999 in MobileNet v2).
  std::optional<float> batch_norm_epsilon, batch_norm_momentum;
  /// Decides the fresh weights and nothing else.
  uint64_t seed = 0;
};

/// What `freeze_blocks` calls a block: the convolutions (weights and biases) and, for whoever
/// freezes those too, the batch normalizations, by node name.
struct BackboneBlock {
  int id = 0;
  std::vector<std::string> convolutions, batch_norms;
};

/// The ids of a backbone's blocks, all from the first to the last.
struct BlockRange {
  int first = 0, last = 0;
  bool operator==(const BlockRange&) const = default;
};

struct Backbone {
  /// The last map of each stride, the largest first: what a convolution or pooling with a stride
  /// reads, and, at the end, the backbone's output. Classifiers pool the last one, detectors take
  /// several by stride, segmenters all as skips. These are the layers that TAO's detectors tap:
  /// where a block widens its input before it strides (MobileNet v2, EfficientNet), the wide map.
  std::vector<FeatureMap> maps;
  /// By ascending id.
  std::vector<BackboneBlock> blocks;

  const FeatureMap& output() const { return maps.back(); }
  /// nullptr when there is none.
  const FeatureMap* AtStride(int64_t stride) const;
};

/// Whether AddBackbone knows this. kInvalidArgument, all problems at once: an `arch` that is not
/// offered (with all that are and the nearest), an `n_layers` or `total_stride` that it has not.
absl::Status CheckBackbone(const BackboneOptions& options);

/// The blocks that AddBackbone will make, which specs are checked against. The `arch` must be one of
/// Architectures().
BlockRange BlocksOf(const BackboneOptions& options);

/// "resnet18", "vgg16", "efficientnet_lite0": how checkpoints and reports call it.
std::string BackboneName(const BackboneOptions& options);

/// The architecture and depth of such a name, all else as by default. kInvalidArgument, "backbone is
/// 'X'", with all names and the nearest.
absl::StatusOr<BackboneOptions> BackboneOfName(absl::string_view name);

/// Adds the backbone behind `input`, whose sizes are those of the network's pictures, with fresh
/// weights, without a head. Layers are called as in TAO's Keras models, so that weights are found
/// by name; what has no name there has one after its layer (`conv1_relu`, `block_1a_add`). Paddings
/// are part of the convolutions: symmetric, but TensorFlow's "same" in EfficientNets and their Lite
/// variants (layer_writer.h), so that weights that were trained there mean the same here.
///
/// Beside TAO: no average pooling behind a ResNet with use_pooling (heads pool), no stochastic
/// depth in EfficientNets.
///
/// Fails as CheckBackbone, and with kInvalidArgument for an input so small that a layer would have
/// no pixel; `builder` is of no use then. Takes about 0.3 s for 13 million weights.
absl::StatusOr<Backbone> AddBackbone(graph::GraphBuilder& builder, const BackboneOptions& options,
                                     const FeatureMap& input);

}  // namespace trainyard::layers
