#include "libs/layers/backbone.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

using WriteFamily = FeatureMap (*)(BackboneWriter&, const BackboneOptions&, const FeatureMap&);

struct Family {
  Architecture architecture;
  FamilyDefaults defaults;
  WriteFamily write;
  BlockRange blocks;
  /// The last block of a total stride of 16, where that leaves some out.
  std::optional<int> last_at_stride_16 = std::nullopt;
};

/// Keras' model and the published weights draw and pad this way.
Family EfficientNet(const char* arch, Activation activation) {
  return {.architecture = {arch, {}},
          .defaults = {.activation = activation,
                       .padding = Padding::kSame,
                       .init = KernelInit::kHeNormalFanOut,
                       .always_norm = true},
          .write = WriteEfficientNet,
          .blocks = {0, 8}};
}

/// The list, by name.
const std::vector<Family>& Families() {
  static const auto& families = *new std::vector<Family>{
      {{"alexnet", {}}, {}, WriteAlexNet, {1, 5}},
      {{"darknet", {19, 53}}, {.activation = Activation::kLeakyRelu}, WriteDarkNet, {0, 5}},
      EfficientNet("efficientnet_b0", Activation::kSwish),
      EfficientNet("efficientnet_b1", Activation::kSwish),
      EfficientNet("efficientnet_lite0", Activation::kRelu6),
      EfficientNet("efficientnet_lite1", Activation::kRelu6),
      EfficientNet("efficientnet_lite2", Activation::kRelu6),
      {{"googlenet", {}}, {}, WriteGoogLeNet, {0, 9}},
      {{"mobilenet_v1", {}}, {}, WriteMobileNetV1, {0, 13}, 11},
      {{"mobilenet_v2", {}}, {.norm = {.momentum = 0.999f}}, WriteMobileNetV2, {0, 18}, 13},
      {{"resnet", {10, 18, 34, 50, 101}}, {}, WriteResNet, {0, 4}},
      {{"squeezenet", {}}, {}, WriteSqueezeNet, {0, 8}},
      {{"vgg", {16, 19}}, {}, WriteVgg, {1, 5}},
  };
  return families;
}

/// nullptr when there is none.
const Family* FindFamily(const std::string& arch) {
  for (const Family& family : Families()) {
    if (family.architecture.arch == arch) return &family;
  }
  return nullptr;
}

}  // namespace

const std::vector<Architecture>& Architectures() {
  static const auto& architectures = *[] {
    auto* all = new std::vector<Architecture>;
    for (const Family& family : Families()) all->push_back(family.architecture);
    return all;
  }();
  return architectures;
}

const FeatureMap* Backbone::AtStride(int64_t stride) const {
  for (const FeatureMap& map : maps) {
    if (map.stride == stride) return &map;
  }
  return nullptr;
}

absl::Status CheckBackbone(const BackboneOptions& options) {
  Problems problems;
  if (const Family* family = FindFamily(options.arch); family == nullptr) {
    std::vector<std::string> names;
    for (const Family& f : Families()) names.push_back(f.architecture.arch);
    problems.Add("arch", "is '%s'; offered: %s%s", options.arch, absl::StrJoin(names, ", "),
                 DidYouMean(options.arch, names));
  } else {
    const std::vector<int>& depths = family->architecture.depths;
    if (!depths.empty() && std::count(depths.begin(), depths.end(), options.n_layers) == 0) {
      problems.Add("n_layers", "is %d; '%s' is offered with %s", options.n_layers, options.arch,
                   absl::StrJoin(depths, ", "));
    }
  }
  if (options.total_stride != 16 && options.total_stride != 32) {
    problems.Add("total_stride", "is %d; expected 16 or 32", options.total_stride);
  }
  return problems.ToStatus();
}

BlockRange BlocksOf(const BackboneOptions& options) {
  const Family& family = *FindFamily(options.arch);
  BlockRange blocks = family.blocks;
  if (options.total_stride == 16) blocks.last = family.last_at_stride_16.value_or(blocks.last);
  return blocks;
}

std::string BackboneName(const BackboneOptions& options) {
  const Family* family = FindFamily(options.arch);
  const bool has_depth = family != nullptr && !family->architecture.depths.empty();
  return has_depth ? absl::StrCat(options.arch, options.n_layers) : options.arch;
}

absl::StatusOr<BackboneOptions> BackboneOfName(absl::string_view name) {
  std::vector<std::string> names;
  for (const Family& family : Families()) {
    std::vector<int> depths = family.architecture.depths;
    if (depths.empty()) depths.push_back(0);
    for (const int depth : depths) {
      const BackboneOptions options{.arch = family.architecture.arch, .n_layers = depth};
      names.push_back(BackboneName(options));
      if (names.back() == name) return options;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("backbone is '", Shown(name), "'; offered: ",
                                                 absl::StrJoin(names, ", "), DidYouMean(name, names)));
}

absl::StatusOr<Backbone> AddBackbone(graph::GraphBuilder& builder, const BackboneOptions& options,
                                     const FeatureMap& input) {
  TY_RETURN_IF_ERROR(CheckBackbone(options));
  const Family& family = *FindFamily(options.arch);
  BackboneWriter writer(builder, options, family.defaults, input);
  const FeatureMap output = family.write(writer, options, input);
  return std::move(writer).Finish(output);
}

}  // namespace trainyard::layers
