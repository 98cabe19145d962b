#include "libs/weights/internal/name_rules.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace trainyard::weights {
namespace {

constexpr absl::string_view kImageNetPixels =
    "it was trained with RGB pixels of 0 to 1, less (0.485, 0.456, 0.406), over (0.229, 0.224, "
    "0.225)";
constexpr absl::string_view kSmallEpsilon =
    "its batch normalizations add 1e-5 to variances, as classifiers of ours by default; detectors add 1e-3";
constexpr absl::string_view kPooling =
    "it max-pools where ours strides, unless ours is built with pooling";

/// Parts of a unit or of a network: a name of theirs, and of ours.
struct Part {
  absl::string_view theirs, ours;
  bool is_norm = false;
};

/// Adds the parts behind these prefixes.
template <typename Parts>
void AddParts(absl::string_view theirs, absl::string_view ours, const Parts& parts,
              Naming& naming) {
  for (const Part& part : parts) {
    naming.layers.push_back(
        {absl::StrCat(theirs, part.theirs), absl::StrCat(ours, part.ours), part.is_norm});
  }
}

std::string Letter(int unit) { return std::string(1, static_cast<char>('a' + unit)); }

// --- ResNet

struct ResNetPlan {
  int depth;
  std::array<int, 4> units;
  bool bottleneck;
};

constexpr ResNetPlan kResNets[] = {{18, {2, 2, 2, 2}, false},
                                   {34, {3, 4, 6, 3}, false},
                                   {50, {3, 4, 6, 3}, true},
                                   {101, {3, 4, 23, 3}, true}};
constexpr Part kResNetStem[] = {{"conv1", "conv1"}, {"bn1", "bn_conv1", true}};
constexpr Part kResNetUnit[] = {
    {"conv1", "_conv_1"}, {"bn1", "_bn_1", true}, {"conv2", "_conv_2"}, {"bn2", "_bn_2", true}};
constexpr Part kBottleneckEnd[] = {{"conv3", "_conv_3"}, {"bn3", "_bn_3", true}};
constexpr Part kDownsample[] = {{"downsample.0", "_conv_shortcut"},
                                {"downsample.1", "_bn_shortcut", true}};

std::vector<Naming> ResNetNamings(int depth) {
  const auto* plan = std::find_if(std::begin(kResNets), std::end(kResNets),
                                  [depth](const ResNetPlan& p) { return p.depth == depth; });
  if (plan == std::end(kResNets)) return {};
  Naming naming{.name = absl::StrCat("torchvision resnet", depth)};
  AddParts("", "", kResNetStem, naming);
  for (int block = 1; block <= 4; ++block) {
    for (int unit = 0; unit < plan->units[block - 1]; ++unit) {
      const std::string theirs = absl::StrFormat("layer%d.%d.", block, unit);
      const std::string ours = absl::StrFormat("block_%d%s", block, Letter(unit));
      AddParts(theirs, ours, kResNetUnit, naming);
      if (plan->bottleneck) AddParts(theirs, ours, kBottleneckEnd, naming);
      if (unit == 0) AddParts(theirs, ours, kDownsample, naming);
    }
  }
  naming.notes = {
      std::string(kImageNetPixels), std::string(kSmallEpsilon), std::string(kPooling),
      "it has no convolution on shortcuts that keep their shape; where ours has one, it "
      "begins with fresh weights"};
  if (plan->bottleneck) {
    naming.notes.push_back(
        "a block's first unit strides in its 3x3 convolution; ours in the first");
  }
  return {naming};
}

// --- VGG

Naming VggNaming(int depth, bool has_norm) {
  const std::array<int, 5> counts =
      depth == 16 ? std::array<int, 5>{2, 2, 3, 3, 3} : std::array<int, 5>{2, 2, 4, 4, 4};
  Naming naming{.name = absl::StrCat("torchvision vgg", depth, has_norm ? "_bn" : "")};
  // All layers are numbered through: a convolution, its normalization, a ReLU; a pooling a block.
  int index = 0;
  for (int block = 0; block < 5; ++block) {
    for (int i = 0; i < counts[block]; ++i) {
      const std::string ours = absl::StrFormat("block_%d%s", block + 1, Letter(i));
      naming.layers.push_back({absl::StrCat("features.", index++), ours + "_conv_1"});
      if (has_norm)
        naming.layers.push_back({absl::StrCat("features.", index++), ours + "_bn_1", true});
      ++index;
    }
    ++index;
  }
  naming.notes = {std::string(kImageNetPixels), std::string(kPooling)};
  if (has_norm) {
    naming.notes.push_back(std::string(kSmallEpsilon));
    naming.notes.push_back(
        "its convolutions have biases before the normalization; where ours have none, running "
        "means "
        "are off by them until the training has moved them");
  }
  return naming;
}

// --- MobileNet v2

constexpr int kInvertedUnits = 17;
constexpr Part kInvertedFirst[] = {{"conv.0.0", "depthwise"},
                                   {"conv.0.1", "depthwise_bn", true},
                                   {"conv.1", "project"},
                                   {"conv.2", "project_bn", true}};
constexpr Part kInverted[] = {{"conv.0.0", "expand"},    {"conv.0.1", "expand_bn", true},
                              {"conv.1.0", "depthwise"}, {"conv.1.1", "depthwise_bn", true},
                              {"conv.2", "project"},     {"conv.3", "project_bn", true}};
constexpr Part kMobileNetEnds[] = {{"features.0.0", "conv1"},
                                   {"features.0.1", "bn_conv1", true},
                                   {"features.18.0", "conv_1"},
                                   {"features.18.1", "conv_1_bn", true}};

Naming MobileNetV2Naming() {
  Naming naming{.name = "torchvision mobilenet_v2"};
  AddParts("", "", kMobileNetEnds, naming);
  AddParts("features.1.", "expanded_conv_", kInvertedFirst, naming);
  for (int unit = 1; unit < kInvertedUnits; ++unit) {
    AddParts(absl::StrFormat("features.%d.", unit + 1), absl::StrFormat("block_%d_", unit),
             kInverted, naming);
  }
  naming.notes = {std::string(kImageNetPixels), std::string(kSmallEpsilon),
                  "its activations are ReLU6; ours are ReLU by default",
                  "it has no convolution on shortcuts; where ours has one, it begins with fresh "
                  "weights"};
  return naming;
}

// --- SqueezeNet

/// Where fire2 to fire9 stand among a version's layers.
struct SqueezeNetPlan {
  absl::string_view version;
  std::array<int, 8> places;
  absl::string_view note;
};

constexpr SqueezeNetPlan kSqueezeNets[] = {
    {"1_0",
     {3, 4, 5, 7, 8, 9, 10, 12},
     "it pads neither its first convolution nor its poolings; ours pad"},
    {"1_1",
     {3, 4, 6, 7, 9, 10, 11, 12},
     "ours is version 1.0: another first convolution, and poolings behind fire4 and fire8 in place "
     "of fire3 and fire5"}};
constexpr Part kFire[] = {{"squeeze", "_squeeze_conv"},
                          {"expand1x1", "_expand_conv1x1"},
                          {"expand3x3", "_expand_conv3x3"}};

Naming SqueezeNetNaming(const SqueezeNetPlan& plan) {
  Naming naming{.name = absl::StrCat("torchvision squeezenet", plan.version)};
  naming.layers.push_back({"features.0", "conv1"});
  for (int i = 0; i < 8; ++i) {
    AddParts(absl::StrFormat("features.%d.", plan.places[i]), absl::StrFormat("fire%d", i + 2),
             kFire, naming);
  }
  naming.notes = {std::string(kImageNetPixels), std::string(plan.note)};
  return naming;
}

// --- EfficientNet

struct EfficientNetPlan {
  absl::string_view arch;
  /// Units of each stage.
  std::array<int, 7> units;
};

constexpr EfficientNetPlan kEfficientNets[] = {{"efficientnet_b0", {1, 2, 2, 3, 3, 4, 1}},
                                               {"efficientnet_b1", {2, 3, 3, 4, 4, 5, 2}},
                                               {"efficientnet_lite0", {1, 2, 2, 3, 3, 4, 1}},
                                               {"efficientnet_lite1", {1, 3, 3, 4, 4, 5, 1}},
                                               {"efficientnet_lite2", {1, 3, 3, 4, 4, 5, 1}}};

/// The names of one public implementation. The first stage's units do not widen their input.
struct EfficientNetParts {
  std::vector<Part> ends, unit, first_unit;
};

const EfficientNetParts& PytorchParts() {
  static const auto& parts =
      *new EfficientNetParts{.ends = {{"_conv_stem", "stem_conv"},
                                      {"_bn0", "stem_bn", true},
                                      {"_conv_head", "top_conv"},
                                      {"_bn1", "top_bn", true}},
                             .unit = {{"_expand_conv", "expand_conv"},
                                      {"_bn0", "expand_bn", true},
                                      {"_depthwise_conv", "dwconv"},
                                      {"_bn1", "bn", true},
                                      {"_se_reduce", "se_reduce"},
                                      {"_se_expand", "se_expand"},
                                      {"_project_conv", "project_conv"},
                                      {"_bn2", "project_bn", true}},
                             .first_unit = {{"_depthwise_conv", "dwconv"},
                                            {"_bn1", "bn", true},
                                            {"_se_reduce", "se_reduce"},
                                            {"_se_expand", "se_expand"},
                                            {"_project_conv", "project_conv"},
                                            {"_bn2", "project_bn", true}}};
  return parts;
}

const EfficientNetParts& TimmParts() {
  static const auto& parts = *new EfficientNetParts{.ends = {{"conv_stem", "stem_conv"},
                                                             {"bn1", "stem_bn", true},
                                                             {"conv_head", "top_conv"},
                                                             {"bn2", "top_bn", true}},
                                                    .unit = {{"conv_pw", "expand_conv"},
                                                             {"bn1", "expand_bn", true},
                                                             {"conv_dw", "dwconv"},
                                                             {"bn2", "bn", true},
                                                             {"se.conv_reduce", "se_reduce"},
                                                             {"se.conv_expand", "se_expand"},
                                                             {"conv_pwl", "project_conv"},
                                                             {"bn3", "project_bn", true}},
                                                    .first_unit = {{"conv_dw", "dwconv"},
                                                                   {"bn1", "bn", true},
                                                                   {"se.conv_reduce", "se_reduce"},
                                                                   {"se.conv_expand", "se_expand"},
                                                                   {"conv_pw", "project_conv"},
                                                                   {"bn2", "project_bn", true}}};
  return parts;
}

/// `counts_through`: units are numbered through (efficientnet_pytorch), not by stage and unit.
Naming EfficientNetNaming(const EfficientNetPlan& plan, const EfficientNetParts& parts,
                          bool counts_through) {
  Naming naming;
  AddParts("", "", parts.ends, naming);
  int number = 0;
  for (int stage = 0; stage < 7; ++stage) {
    for (int unit = 0; unit < plan.units[stage]; ++unit, ++number) {
      const std::string theirs = counts_through ? absl::StrFormat("_blocks.%d.", number)
                                                : absl::StrFormat("blocks.%d.%d.", stage, unit);
      AddParts(theirs, absl::StrFormat("block%d%s_", stage + 1, Letter(unit)),
               stage == 0 ? parts.first_unit : parts.unit, naming);
    }
  }
  return naming;
}

std::vector<Naming> EfficientNetNamings(absl::string_view arch) {
  const auto* plan = std::find_if(std::begin(kEfficientNets), std::end(kEfficientNets),
                                  [arch](const EfficientNetPlan& p) { return p.arch == arch; });
  if (plan == std::end(kEfficientNets)) return {};
  const bool is_lite = absl::StrContains(arch, "lite");
  Naming pytorch = EfficientNetNaming(*plan, PytorchParts(), /*counts_through=*/true);
  pytorch.name =
      is_lite ? absl::StrCat(arch, "-pytorch-model") : absl::StrCat("efficientnet_pytorch ", arch);
  pytorch.notes = {is_lite ? "it was trained with RGB pixels (x - 127) / 128"
                           : std::string(kImageNetPixels)};
  Naming timm = EfficientNetNaming(*plan, TimmParts(), /*counts_through=*/false);
  timm.name = absl::StrCat("timm tf_", arch);
  timm.notes = {
      "timm's models without tf_ in their name pad both sides alike and add 1e-5 to "
      "variances; ours pads as TensorFlow does and adds 1e-3"};
  return {pytorch, timm};
}

}  // namespace

std::vector<Naming> NamingsOf(const layers::BackboneOptions& backbone) {
  if (backbone.arch == "resnet") return ResNetNamings(backbone.n_layers);
  if (backbone.arch == "vgg") {
    return {VggNaming(backbone.n_layers, false), VggNaming(backbone.n_layers, true)};
  }
  if (backbone.arch == "mobilenet_v2") return {MobileNetV2Naming()};
  if (backbone.arch == "squeezenet") {
    return {SqueezeNetNaming(kSqueezeNets[0]), SqueezeNetNaming(kSqueezeNets[1])};
  }
  return EfficientNetNamings(backbone.arch);
}

const std::vector<RoleRule>& RolesOf(bool is_norm) {
  static const auto& norm = *new std::vector<RoleRule>{{"weight", "gamma"},
                                                       {"bias", "beta"},
                                                       {"running_mean", "moving_mean"},
                                                       {"running_var", "moving_variance"}};
  static const auto& convolution =
      *new std::vector<RoleRule>{{"weight", "kernel"}, {"bias", "bias"}};
  return is_norm ? norm : convolution;
}

}  // namespace trainyard::weights
