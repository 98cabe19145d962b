// VGG 16 and 19 without their dense layers. Freeze blocks: 1 to 5.

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// Simonyan and Zisserman, arXiv:1409.1556, table 1, D and E. No pooling behind the last block.
constexpr std::array<int, 5> kConvolutions16 = {2, 2, 3, 3, 3}, kConvolutions19 = {2, 2, 4, 4, 4};
constexpr std::array<int64_t, 5> kChannels = {64, 128, 256, 512, 512};

}  // namespace

FeatureMap WriteVgg(BackboneWriter& writer, const BackboneOptions& options,
                    const FeatureMap& input) {
  const auto& convolutions = options.n_layers == 16 ? kConvolutions16 : kConvolutions19;
  FeatureMap x = input;
  for (int block = 0; block < 5; ++block) {
    writer.BeginBlock(block + 1);
    for (int i = 0; i < convolutions[block]; ++i) {
      const std::string name = absl::StrFormat("block_%d%c", block + 1, 'a' + i);
      const bool strides = i == 0 && block > 0 && !options.use_pooling;
      x = writer.ConvNormActivate(
          {absl::StrCat(name, "_conv_1"), absl::StrCat(name, "_bn_1"), absl::StrCat(name, "_relu")},
          x, kChannels[block], {.kernel = 3, .stride = strides ? 2 : 1});
    }
    if (options.use_pooling && block < 4) {
      x = writer.MaxPool(absl::StrFormat("block%d_pool", block + 1), x, 2, 2);
    }
  }
  return x;
}

}  // namespace trainyard::layers
