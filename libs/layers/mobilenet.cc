// MobileNet v1 and v2 of full width. Freeze blocks: 0 is conv1, then one a block.

#include "absl/strings/str_cat.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// A depthwise convolution of this stride, then a 1x1 convolution to these channels.
struct Separable {
  int64_t channels, stride;
};

/// Howard et al., arXiv:1704.04861, table 1. The last two are left out of a total stride of 16.
constexpr Separable kSeparables[] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                                     {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                                     {512, 1}, {1024, 2}, {1024, 1}};
constexpr int kSeparablesOfStride16 = 11;

/// Channels are multiplied by `expansion`, filtered by a depthwise convolution of this stride, and
/// projected, without activation.
struct Inverted {
  int64_t expansion, channels, stride;
};

/// Sandler et al., arXiv:1801.04381, table 2. The last four, and the convolution behind them, are
/// left out of a total stride of 16.
constexpr Inverted kInverted[] = {{1, 16, 1},  {6, 24, 2}, {6, 24, 1}, {6, 32, 2},  {6, 32, 1},
                                  {6, 32, 1},  {6, 64, 2}, {6, 64, 1}, {6, 64, 1},  {6, 64, 1},
                                  {6, 96, 1},  {6, 96, 1}, {6, 96, 1}, {6, 160, 2}, {6, 160, 1},
                                  {6, 160, 1}, {6, 320, 1}};
constexpr int kInvertedOfStride16 = 13;
constexpr int64_t kLastChannels = 1280;

FeatureMap WriteSeparable(BackboneWriter& writer, int block, const Separable& separable,
                          const FeatureMap& x) {
  const std::string dw = absl::StrCat("conv_dw_", block), pw = absl::StrCat("conv_pw_", block);
  const FeatureMap y = writer.ConvNormActivate(
      {dw, absl::StrCat(dw, "_bn"), absl::StrCat(dw, "_relu")}, x, x.channels,
      {.kernel = 3, .stride = separable.stride, .depthwise = true});
  return writer.ConvNormActivate(
      {pw, absl::StrCat(pw, "_bn"), absl::StrCat("conv_pw_relu_", block)}, y, separable.channels,
      {});
}

FeatureMap WriteInverted(BackboneWriter& writer, int block, const Inverted& inverted, bool project,
                         const FeatureMap& x) {
  const std::string prefix = block == 0 ? "expanded_conv_" : absl::StrCat("block_", block, "_");
  const auto part = [&prefix](absl::string_view name) { return absl::StrCat(prefix, name); };
  FeatureMap y = x;
  if (inverted.expansion > 1) {
    y = writer.ConvNormActivate(
        {part("expand"), part("expand_bn"), absl::StrCat("re_lu_", block + 1)}, y,
        inverted.expansion * x.channels, {});
  }
  y = writer.ConvNormActivate({part("depthwise"), part("depthwise_bn"), part("relu")}, y,
                              y.channels,
                              {.kernel = 3, .stride = inverted.stride, .depthwise = true});
  y = writer.Norm(part("project_bn"), writer.Conv(part("project"), y, inverted.channels, {}));
  if (inverted.stride != 1 || inverted.channels != x.channels) return y;
  const FeatureMap shortcut =
      project ? writer.Conv(part("projected_inputs"), x, x.channels, {.bias = false}) : x;
  return writer.layers().Add(part("add"), shortcut, y);
}

}  // namespace

FeatureMap WriteMobileNetV1(BackboneWriter& writer, const BackboneOptions& options,
                            const FeatureMap& input) {
  writer.BeginBlock(0);
  FeatureMap x = writer.ConvNormActivate({"conv1", "conv1_bn", "conv_block_relu"}, input, 32,
                                         {.kernel = 3, .stride = 2});
  int block = 0;
  for (const Separable& separable : kSeparables) {
    if (options.total_stride == 16 && block == kSeparablesOfStride16) break;
    writer.BeginBlock(++block);
    x = WriteSeparable(writer, block, separable, x);
  }
  return x;
}

FeatureMap WriteMobileNetV2(BackboneWriter& writer, const BackboneOptions& options,
                            const FeatureMap& input) {
  writer.BeginBlock(0);
  FeatureMap x = writer.ConvNormActivate({"conv1", "bn_conv1", "re_lu_0"}, input, 32,
                                         {.kernel = 3, .stride = 2});
  int block = 0;
  for (const Inverted& inverted : kInverted) {
    if (options.total_stride == 16 && block == kInvertedOfStride16) return x;
    writer.BeginBlock(block + 1);
    x = WriteInverted(writer, block++, inverted, options.all_projections, x);
  }
  writer.BeginBlock(block + 1);
  return writer.ConvNormActivate({"conv_1", "conv_1_bn", "re_lu_head"}, x, kLastChannels, {});
}

}  // namespace trainyard::layers
