#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/layers/backbone.h"

namespace trainyard::networks {

/// One expansion block: 1x1 to `squeeze` channels, then 3x3 to `channels` with `stride`. No channels:
/// the block is left out and its map is the one before.
struct SsdExpansionBlock {
  int64_t squeeze = 0, channels = 0, stride = 0;
};

/// What SSD makes of a backbone: six prediction maps at strides 8 to 256.
struct SsdBackbone {
  /// As TAO's detectors build it: MobileNets end at stride 16, DarkNets have ReLU. The seed is the
  /// caller's to set.
  layers::BackboneOptions options;
  /// Maps of the backbone that are prediction maps as they are: 1, at stride 8, or 2, at 8 and 16.
  /// The others are those of the expansion behind the backbone's output, a block each.
  int taps = 1;
  std::vector<SsdExpansionBlock> expansion;
  /// The picture is halved eight times on the way to the last map. All round up, but those from
  /// `first_floor` to before `end_floor`, counted from 0, which are poolings of 2x2 pixels.
  int first_floor = 0, end_floor = 0;
};

/// TAO's `arch`s that SSD is offered on, in TAO's order, then ours.
const std::vector<std::string>& SsdArchs();

/// The depths of an `arch`; empty for one that has none, and for one that is not among SsdArchs.
std::vector<int> SsdDepths(absl::string_view arch);

/// What freeze_blocks may name for one of SsdArchs.
layers::BlockRange SsdBlocks(absl::string_view arch);

/// `depth` is looked at where the arch has depths. kInvalidArgument for an arch ("arch is 'vg'; ...")
/// or a depth ("nlayers is 11; ...") that SSD is not offered on, with all that it is.
absl::StatusOr<SsdBackbone> FindSsdBackbone(absl::string_view arch, int depth);

/// Cells of a prediction map.
struct MapSize {
  int64_t height = 0, width = 0;
  bool operator==(const MapSize&) const = default;
};

/// Sizes of the six maps for an input of these pixels, the largest first.
std::array<MapSize, 6> SsdMapSizes(const SsdBackbone& backbone, int64_t height, int64_t width);

}  // namespace trainyard::networks
