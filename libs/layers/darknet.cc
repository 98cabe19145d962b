// DarkNet 19 and 53. Freeze blocks: 0 is conv1, 1 to 5 are the stages.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

constexpr int64_t kFirstChannels = 32;

/// The activation is called `_lrelu` whatever it is.
FeatureMap WriteConv(BackboneWriter& writer, const std::string& name, const FeatureMap& x,
                     int64_t channels, int64_t kernel, int64_t stride = 1) {
  return writer.ConvNormActivate({name, absl::StrCat(name, "_bn"), absl::StrCat(name, "_lrelu")}, x,
                                 channels, {.kernel = kernel, .stride = stride});
}

/// Redmon and Farhadi, arXiv:1612.08242, table 6: in a stage 3x3 convolutions with, between them,
/// 1x1 ones of half the channels.
FeatureMap Write19(BackboneWriter& writer, FeatureMap x) {
  constexpr int kConvolutions[] = {1, 3, 3, 5, 5};
  for (int stage = 1; stage <= 5; ++stage) {
    writer.BeginBlock(stage);
    x = writer.MaxPool(absl::StrCat("maxpool_", stage), x, 2, 2);
    const int64_t channels = kFirstChannels << stage;
    for (int i = 1; i <= kConvolutions[stage - 1]; ++i) {
      const bool narrow = i % 2 == 0;
      x = WriteConv(writer, absl::StrFormat("b%d_conv%d", stage, i), x,
                    narrow ? channels / 2 : channels, narrow ? 1 : 3);
    }
  }
  return x;
}

/// Redmon and Farhadi, arXiv:1804.02767, table 1: a stage halves the map and doubles the channels,
/// then adds units of a 1x1 and a 3x3 convolution. No activation behind a sum.
FeatureMap Write53(BackboneWriter& writer, FeatureMap x) {
  constexpr int kUnits[] = {1, 2, 8, 8, 4};
  for (int stage = 1; stage <= 5; ++stage) {
    writer.BeginBlock(stage);
    const int64_t channels = kFirstChannels << stage;
    x = WriteConv(writer, absl::StrCat("conv", stage + 1), x, channels, 3, 2);
    for (int i = 1; i <= kUnits[stage - 1]; ++i) {
      const std::string name = absl::StrFormat("b%d_conv%d", stage, i);
      const FeatureMap narrow = WriteConv(writer, absl::StrCat(name, "_1"), x, channels / 2, 1);
      const FeatureMap wide = WriteConv(writer, absl::StrCat(name, "_2"), narrow, channels, 3);
      x = writer.layers().Add(absl::StrFormat("b%d_add%d", stage, i), x, wide);
    }
  }
  return x;
}

}  // namespace

FeatureMap WriteDarkNet(BackboneWriter& writer, const BackboneOptions& options,
                        const FeatureMap& input) {
  writer.BeginBlock(0);
  const FeatureMap x = WriteConv(writer, "conv1", input, kFirstChannels, 3);
  return options.n_layers == 19 ? Write19(writer, x) : Write53(writer, x);
}

}  // namespace trainyard::layers
