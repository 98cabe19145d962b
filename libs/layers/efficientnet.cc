// EfficientNet B0 and B1, and EfficientNet-Lite 0 to 2: the same without squeeze-and-excitation,
// with a stem, a head, and first and last stages that do not grow. Freeze blocks: 0 is the stem, 1
// to 7 are the stages, 8 is the last convolution.

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// Repeated units: channels are multiplied by `expansion`, filtered by a depthwise convolution, and
/// projected. The first unit has the stride.
struct Stage {
  int64_t kernel;
  int units;
  int64_t channels, expansion, stride;
};

/// Tan and Le, arXiv:1905.11946, table 1 (B0); expansions and kernels as its MBConv names say.
constexpr Stage kStages[] = {{3, 1, 16, 1, 1}, {3, 2, 24, 6, 2},  {5, 2, 40, 6, 2},
                             {3, 3, 80, 6, 2}, {5, 3, 112, 6, 1}, {5, 4, 192, 6, 2},
                             {3, 1, 320, 6, 1}};
constexpr int kLastStage = static_cast<int>(std::size(kStages));
constexpr int64_t kStemChannels = 32, kTopChannels = 1280;
/// Channels behind the squeeze, of a unit's input channels.
constexpr double kSqueezeRatio = 0.25;

/// How much wider and deeper than B0, and whether it is a Lite.
struct Scale {
  const char* arch;
  double width, depth;
  bool lite;
};

/// The coefficients of the authors' release.
constexpr Scale kScales[] = {{"efficientnet_b0", 1.0, 1.0, false},
                             {"efficientnet_b1", 1.0, 1.1, false},
                             {"efficientnet_lite0", 1.0, 1.0, true},
                             {"efficientnet_lite1", 1.0, 1.1, true},
                             {"efficientnet_lite2", 1.1, 1.2, true}};

/// The nearest multiple of 8, or the next when that is below 90 %.
int64_t ScaledChannels(int64_t channels, const Scale& scale) {
  const double wanted = static_cast<double>(channels) * scale.width;
  const int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

int ScaledUnits(int stage, const Scale& scale) {
  const int units = kStages[stage - 1].units;
  if (scale.lite && (stage == 1 || stage == kLastStage)) return units;
  return static_cast<int>(std::ceil(scale.depth * units));
}

/// A weight between 0 and 1 for each channel, from the means of all.
FeatureMap WriteSqueezeExcite(BackboneWriter& writer, const std::string& name, const FeatureMap& x,
                              int64_t squeezed) {
  const auto part = [&name](absl::string_view suffix) { return absl::StrCat(name, suffix); };
  FeatureMap gate = writer.layers().GlobalAveragePool(part("se_squeeze"), x);
  gate = writer.Conv(part("se_reduce"), gate, squeezed, {.bias = true});
  gate = writer.Activate(part("se_reduce_activation"), gate);
  gate = writer.Conv(part("se_expand"), gate, x.channels, {.bias = true});
  gate = writer.layers().Sigmoid(part("se_expand_sigmoid"), gate);
  return writer.layers().Mul(part("se_excite"), x, gate);
}

FeatureMap WriteUnit(BackboneWriter& writer, const std::string& name, const FeatureMap& x,
                     const Stage& stage, const Scale& scale) {
  const auto part = [&name](absl::string_view suffix) { return absl::StrCat(name, suffix); };
  FeatureMap y = x;
  if (stage.expansion > 1) {
    y = writer.ConvNormActivate({part("expand_conv"), part("expand_bn"), part("expand_activation")},
                                y, stage.expansion * x.channels, {});
  }
  y = writer.ConvNormActivate({part("dwconv"), part("bn"), part("activation")}, y, y.channels,
                              {.kernel = stage.kernel, .stride = stage.stride, .depthwise = true});
  if (!scale.lite) {
    const auto squeezed = static_cast<int64_t>(static_cast<double>(x.channels) * kSqueezeRatio);
    y = WriteSqueezeExcite(writer, name, y, std::max<int64_t>(1, squeezed));
  }
  const FeatureMap projected =
      writer.Conv(part("project_conv"), y, ScaledChannels(stage.channels, scale), {.bias = false});
  y = writer.Norm(part("project_bn"), projected);
  const bool same = stage.stride == 1 && y.channels == x.channels;
  return same ? writer.layers().Add(part("add"), y, x) : y;
}

}  // namespace

FeatureMap WriteEfficientNet(BackboneWriter& writer, const BackboneOptions& options,
                             const FeatureMap& input) {
  const Scale* scale = kScales;
  while (scale->arch != options.arch) ++scale;
  const auto ends = [scale](int64_t channels) {
    return scale->lite ? channels : ScaledChannels(channels, *scale);
  };
  writer.BeginBlock(0);
  FeatureMap x = writer.ConvNormActivate({"stem_conv", "stem_bn", "stem_activation"}, input,
                                         ends(kStemChannels), {.kernel = 3, .stride = 2});
  for (int number = 1; number <= kLastStage; ++number) {
    writer.BeginBlock(number);
    Stage stage = kStages[number - 1];
    for (int unit = 0; unit < ScaledUnits(number, *scale); ++unit) {
      x = WriteUnit(writer, absl::StrFormat("block%d%c_", number, 'a' + unit), x, stage, *scale);
      stage.stride = 1;
    }
  }
  writer.BeginBlock(kLastStage + 1);
  return writer.ConvNormActivate({"top_conv", "top_bn", "top_activation"}, x, ends(kTopChannels),
                                 {});
}

}  // namespace trainyard::layers
