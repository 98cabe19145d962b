// AlexNet without its dense layers, all convolutions with biases. Freeze blocks: 1 to 5.

#include "absl/strings/str_cat.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

struct Layer {
  int64_t channels, kernel, stride;
  bool pool;
};

/// Krizhevsky et al., 2012, section 3.5, as TAO has it: neither split in two groups nor with
/// response normalization, 3x3 pooling of stride 2.
constexpr Layer kLayers[] = {{96, 11, 4, true},
                             {256, 5, 1, true},
                             {384, 3, 1, false},
                             {384, 3, 1, false},
                             {256, 3, 1, false}};

}  // namespace

FeatureMap WriteAlexNet(BackboneWriter& writer, const BackboneOptions&, const FeatureMap& input) {
  FeatureMap x = input;
  int number = 0;
  for (const Layer& layer : kLayers) {
    writer.BeginBlock(++number);
    const std::string name = absl::StrCat("conv", number);
    x = writer.Conv(name, x, layer.channels,
                    {.kernel = layer.kernel, .stride = layer.stride, .bias = true});
    x = writer.Activate(absl::StrCat(name, "_relu"), x);
    if (layer.pool) x = writer.MaxPool(absl::StrCat("pool", number), x, 3, 2);
  }
  return x;
}

}  // namespace trainyard::layers
