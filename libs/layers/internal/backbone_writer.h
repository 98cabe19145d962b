#pragma once

#include <optional>
#include <string>

#include "libs/layers/backbone.h"
#include "libs/layers/layer_writer.h"

namespace trainyard::layers {

/// What a family has where the options say nothing.
struct FamilyDefaults {
  Activation activation = Activation::kRelu;
  NormOptions norm;
  Padding padding = Padding::kSymmetric;
  KernelInit init = KernelInit::kGlorotUniform;
  /// Batch normalization is there whatever use_batch_norm says.
  bool always_norm = false;
};

/// What differs between the convolutions of a family.
struct ConvShape {
  int64_t kernel = 1, stride = 1;
  bool depthwise = false;
  /// Absent: as use_bias says.
  std::optional<bool> bias;
};

/// Names of a convolution, the batch normalization behind it, and the activation.
struct ConvNames {
  std::string conv, norm, activation;
};

/// LayerWriter with a backbone's options and defaults filled in, which notes what a Backbone tells:
/// the block of each layer and the last map of each stride.
class BackboneWriter {
 public:
  BackboneWriter(graph::GraphBuilder& builder, const BackboneOptions& options,
                 const FamilyDefaults& defaults, const FeatureMap& input);

  /// The layers that follow are of this block. Ids ascend.
  void BeginBlock(int id);

  FeatureMap Conv(const std::string& name, const FeatureMap& x, int64_t channels,
                  const ConvShape& shape);
  /// `x` itself without use_batch_norm.
  FeatureMap Norm(const std::string& name, const FeatureMap& x);
  FeatureMap Activate(const std::string& name, const FeatureMap& x);
  FeatureMap ConvNormActivate(const ConvNames& names, const FeatureMap& x, int64_t channels,
                              const ConvShape& shape);
  FeatureMap MaxPool(const std::string& name, const FeatureMap& x, int64_t kernel, int64_t stride);

  /// For layers without weights and strides.
  LayerWriter& layers() { return layers_; }

  /// What was written, ending with `output`. kInvalidArgument when a map is empty.
  absl::StatusOr<Backbone> Finish(const FeatureMap& output) &&;

 private:
  /// Notes that `x` is the last map of its stride when a layer of this stride reads it.
  void Leave(const FeatureMap& x, int64_t stride);
  void CheckSize(const FeatureMap& map);

  const BackboneOptions options_;
  const FamilyDefaults defaults_;
  const FeatureMap input_;
  LayerWriter layers_;
  Backbone backbone_;
  absl::Status status_;
};

}  // namespace trainyard::layers
