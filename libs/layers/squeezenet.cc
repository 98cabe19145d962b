// SqueezeNet 1.0 without its classifier, all convolutions with biases. Freeze blocks: 0 is conv1, 1
// to 8 are fire2 to fire9.

#include "absl/strings/str_cat.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// Filters of the 1x1 convolution that squeezes, and of each of the two that expand.
struct Fire {
  int number;
  int64_t squeeze, expand;
  bool pool;
};

/// Iandola et al., arXiv:1602.07360, table 1.
constexpr Fire kFires[] = {{2, 16, 64, false},  {3, 16, 64, false},  {4, 32, 128, true},
                           {5, 32, 128, false}, {6, 48, 192, false}, {7, 48, 192, false},
                           {8, 64, 256, true},  {9, 64, 256, false}};

FeatureMap WriteFire(BackboneWriter& writer, const Fire& fire, const FeatureMap& input) {
  const std::string name = absl::StrCat("fire", fire.number);
  const auto part = [&](absl::string_view conv, absl::string_view activation, const FeatureMap& x,
                        int64_t channels, int64_t kernel) {
    const FeatureMap y =
        writer.Conv(absl::StrCat(name, conv), x, channels, {.kernel = kernel, .bias = true});
    return writer.Activate(absl::StrCat(name, activation), y);
  };
  const FeatureMap x = part("_squeeze_conv", "_squeeze", input, fire.squeeze, 1);
  const FeatureMap narrow = part("_expand_conv1x1", "_expand_1x1", x, fire.expand, 1);
  const FeatureMap wide = part("_expand_conv3x3", "_expand_3x3", x, fire.expand, 3);
  return writer.layers().Concat(name, {narrow, wide});
}

}  // namespace

FeatureMap WriteSqueezeNet(BackboneWriter& writer, const BackboneOptions&,
                           const FeatureMap& input) {
  writer.BeginBlock(0);
  FeatureMap x = writer.Conv("conv1", input, 96, {.kernel = 7, .stride = 2, .bias = true});
  x = writer.MaxPool("pool1", writer.Activate("conv1_relu", x), 3, 2);
  for (const Fire& fire : kFires) {
    writer.BeginBlock(fire.number - 1);
    x = WriteFire(writer, fire, x);
    if (fire.pool) x = writer.MaxPool(absl::StrCat("pool", fire.number), x, 3, 2);
  }
  return x;
}

}  // namespace trainyard::layers
