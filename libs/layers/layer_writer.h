#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/graph/builder.h"
#include "libs/layers/initial_weights.h"

namespace trainyard::layers {

/// A value of the graph that is a picture of features: [N, channels, height, width].
struct FeatureMap {
  std::string value;
  int64_t channels = 0, height = 0, width = 0;
  /// Pixels of the network's input between two neighbours of the map, on both axes.
  int64_t stride = 1;
};

enum class Activation {
  kRelu,
  /// min(max(x, 0), 6).
  kRelu6,
  /// x below 0 is multiplied by 0.1, DarkNet's slope.
  kLeakyRelu,
  /// x * sigmoid(x).
  kSwish,
};

enum class Padding {
  /// kernel / 2 pixels on every side. With stride 2 a map is halved and rounded up. TAO's
  /// convolutions.
  kSymmetric,
  /// As TensorFlow's "same": where stride 2 meets an even size the pixel too many lies behind, and
  /// the side before has one less.
  kSame,
};

struct ConvOptions {
  /// Odd, and stride 1 or 2 with kSame.
  int64_t kernel = 1, stride = 1;
  bool bias = false;
  /// A kernel a channel; the output has as many channels as the input.
  bool depthwise = false;
  Padding padding = Padding::kSymmetric;
  KernelInit init = KernelInit::kGlorotUniform;
};

struct NormOptions {
  float epsilon = 1e-3f;
  /// The part of the running statistics that a batch leaves.
  float momentum = 0.99f;
};

/// Adds layers with fresh weights to a graph, and computes what size their maps have. Every layer
/// is one node of its name (kSwish: two); weights are called as libs/graph/builder.h says.
///
/// Kernels are drawn from a stream of their own each, by `seed` and name, so that adding a layer
/// changes no other; biases are 0, batch normalization is 1/0/0/1. Not thread-safe.
class LayerWriter {
 public:
  /// `builder` must outlive the writer.
  LayerWriter(graph::GraphBuilder& builder, uint64_t seed) : builder_(builder), seed_(seed) {}

  FeatureMap Conv(const std::string& name, const FeatureMap& x, int64_t channels,
                  const ConvOptions& options);
  FeatureMap BatchNorm(const std::string& name, const FeatureMap& x,
                       const NormOptions& options = {});
  FeatureMap Activate(const std::string& name, const FeatureMap& x, Activation activation);
  /// Without padding where `kernel` is 2: a pixel too many at the end is dropped. Else padded by
  /// (kernel - 1) / 2.
  FeatureMap MaxPool(const std::string& name, const FeatureMap& x, int64_t kernel, int64_t stride);
  FeatureMap GlobalAveragePool(const std::string& name, const FeatureMap& x);
  FeatureMap Sigmoid(const std::string& name, const FeatureMap& x);
  /// Element by element; `a` says the size.
  FeatureMap Add(const std::string& name, const FeatureMap& a, const FeatureMap& b);
  FeatureMap Mul(const std::string& name, const FeatureMap& a, const FeatureMap& b);
  /// The channels of all, in order.
  FeatureMap Concat(const std::string& name, const std::vector<FeatureMap>& maps);

 private:
  std::string Relu6(const std::string& name, const std::string& x);

  graph::GraphBuilder& builder_;
  const uint64_t seed_;
};

}  // namespace trainyard::layers
