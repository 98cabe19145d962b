// ResNet 10, 18, 34, 50 and 101. Freeze blocks: 0 is the stem, 1 to 4 are the blocks.

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// Units of each block, and whether a unit is a bottleneck of three convolutions or two of 3x3.
struct Plan {
  int depth;
  std::array<int, 4> units;
  bool bottleneck;
};

/// He et al., arXiv:1512.03385, table 1; 10 layers are TAO's.
constexpr Plan kPlans[] = {{10, {1, 1, 1, 1}, false},
                           {18, {2, 2, 2, 2}, false},
                           {34, {3, 4, 6, 3}, false},
                           {50, {3, 4, 6, 3}, true},
                           {101, {3, 4, 23, 3}, true}};
constexpr std::array<int64_t, 4> kChannels = {64, 128, 256, 512};
/// How much wider a bottleneck ends.
constexpr int64_t kWidening = 4;

struct Part {
  int64_t kernel, channels;
};

std::vector<Part> PartsOf(bool bottleneck, int64_t channels) {
  if (!bottleneck) return {{3, channels}, {3, channels}};
  return {{1, channels}, {3, channels}, {1, kWidening * channels}};
}

/// Convolutions one behind the other, the first with the stride, beside a shortcut; added.
FeatureMap WriteUnit(BackboneWriter& writer, const std::string& name, const FeatureMap& x,
                     const std::vector<Part>& parts, int64_t stride, bool project) {
  FeatureMap y = x;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    y = writer.Conv(absl::StrCat(name, "_conv_", i + 1), y, parts[i].channels,
                    {.kernel = parts[i].kernel, .stride = i == 0 ? stride : 1});
    y = writer.Norm(absl::StrCat(name, "_bn_", i + 1), y);
    if (!last) y = writer.Activate(absl::StrCat(name, "_relu_", i + 1), y);
  }
  FeatureMap shortcut = x;
  if (project) {
    shortcut = writer.Conv(absl::StrCat(name, "_conv_shortcut"), x, y.channels, {.stride = stride});
    shortcut = writer.Norm(absl::StrCat(name, "_bn_shortcut"), shortcut);
  }
  const FeatureMap sum = writer.layers().Add(absl::StrCat(name, "_add"), y, shortcut);
  return writer.Activate(absl::StrCat(name, "_relu"), sum);
}

}  // namespace

FeatureMap WriteResNet(BackboneWriter& writer, const BackboneOptions& options,
                       const FeatureMap& input) {
  const Plan* plan = kPlans;
  while (plan->depth != options.n_layers) ++plan;
  writer.BeginBlock(0);
  FeatureMap x = writer.ConvNormActivate({"conv1", "bn_conv1", "conv1_relu"}, input, 64,
                                         {.kernel = 7, .stride = 2});
  // Without pooling the first block strides in its place, and the last one does not.
  std::array<int64_t, 4> strides = {2, 2, 2, 1};
  if (options.use_pooling) {
    x = writer.MaxPool("pool1", x, 3, 2);
    strides = {1, 2, 2, 2};
  }
  for (int block = 0; block < 4; ++block) {
    writer.BeginBlock(block + 1);
    for (int unit = 0; unit < plan->units[block]; ++unit) {
      const std::string name = absl::StrFormat("block_%d%c", block + 1, 'a' + unit);
      x = WriteUnit(writer, name, x, PartsOf(plan->bottleneck, kChannels[block]),
                    unit == 0 ? strides[block] : 1, unit == 0 || options.all_projections);
    }
  }
  return x;
}

}  // namespace trainyard::layers
