#include "libs/networks/ssd/ssd_builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/layers/layer_writer.h"

namespace trainyard::networks {
namespace {

constexpr int kMaps = 6;
/// Of the backbone's maps that are prediction maps, the first one's stride.
constexpr int64_t kFirstStride = 8;

/// All problems at once, the backbone's among them.
absl::Status Validate(const SsdArchitecture& a, const absl::Status& backbone) {
  Problems problems;
  if (a.width < 128) problems.Add("width", "is %d; expected at least 128", a.width);
  if (a.height < 128) problems.Add("height", "is %d; expected at least 128", a.height);
  if (a.channels != 1 && a.channels != 3) {
    problems.Add("channels", "is %d; expected 1 or 3", a.channels);
  }
  if (a.classes < 1) problems.Add("classes", "is %d; expected at least 1", a.classes);
  for (int i = 0; i < kMaps; ++i) {
    if (a.boxes_per_cell[i] >= 1) continue;
    problems.Add(absl::StrCat("boxes_per_cell[", i, "]"), "is %d; expected at least 1",
                 a.boxes_per_cell[i]);
  }
  for (const Problem& problem : ProblemsFrom(backbone)) problems.AddProblem(problem);
  return problems.ToStatus();
}

class SsdBuilder {
 public:
  SsdBuilder(const SsdArchitecture& architecture, SsdBackbone backbone)
      : architecture_(architecture),
        backbone_(std::move(backbone)),
        builder_(absl::StrCat("ssd_", layers::BackboneName(backbone_.options))),
        layers_(builder_, backbone_.options.seed) {}

  absl::StatusOr<SsdGraph> Build() && {
    const SsdArchitecture& a = architecture_;
    const FeatureMap input{.value = builder_.Input(kSsdInput, {-1, a.channels, a.height, a.width}),
                           .channels = a.channels,
                           .height = a.height,
                           .width = a.width};
    TY_ASSIGN_OR_RETURN(layers::Backbone backbone,
                        layers::AddBackbone(builder_, backbone_.options, input));
    for (int i = 0; i < backbone_.taps; ++i) maps_[i] = *backbone.AtStride(kFirstStride << i);
    Expand(backbone.output());
    int64_t anchors = 0;
    for (int i = 0; i < kMaps; ++i) {
      anchors += maps_[i].height * maps_[i].width * a.boxes_per_cell[i];
    }
    builder_.Output(Heads("conf", kSsdConfidence, a.classes + 1), {-1, anchors, a.classes + 1});
    builder_.Output(Heads("loc", kSsdLocation, 4), {-1, anchors, 4});
    TY_ASSIGN_OR_RETURN(graph::Graph graph, std::move(builder_).Finish());
    return SsdGraph{.graph = std::move(graph), .blocks = std::move(backbone.blocks)};
  }

 private:
  using FeatureMap = layers::FeatureMap;

  FeatureMap Relu(const std::string& name, const FeatureMap& x) {
    return layers_.Activate(name, x, layers::Activation::kRelu);
  }

  void Expand(FeatureMap x) {
    for (size_t b = 0; b < backbone_.expansion.size(); ++b) {
      const SsdExpansionBlock& block = backbone_.expansion[b];
      if (block.channels > 0) {
        const std::string name = absl::StrCat("ssd_expand_block_", b);
        x = Relu(absl::StrCat(name, "_relu_0"),
                 layers_.Conv(absl::StrCat(name, "_conv_0"), x, block.squeeze, {.bias = true}));
        x = layers_.Conv(absl::StrCat(name, "_conv_1"), x, block.channels,
                         {.kernel = 3, .stride = block.stride});
        x = Relu(absl::StrCat(name, "_relu_1"), layers_.BatchNorm(absl::StrCat(name, "_bn_1"), x));
      }
      maps_[backbone_.taps + b] = x;
    }
  }

  /// `kind` is "conf" or "loc". Channel = box * values + value, so that NHWC flattens to [A,
  /// values].
  std::string Heads(const std::string& kind, const std::string& output, int64_t values) {
    std::vector<std::string> parts;
    for (int i = 0; i < kMaps; ++i) {
      const FeatureMap head = layers_.Conv(
          absl::StrCat("ssd_", kind, "_", i), maps_[i], architecture_.boxes_per_cell[i] * values,
          {.kernel = 3, .bias = true, .init = layers::KernelInit::kHeNormal});
      const std::string rows =
          builder_.Transpose(absl::StrCat(kind, "_permute_", i), head.value, {0, 2, 3, 1});
      parts.push_back(builder_.Reshape(absl::StrCat(kind, "_reshape_", i), rows, {0, -1, values}));
    }
    return builder_.Concat(output, parts, 1);
  }

  const SsdArchitecture architecture_;
  const SsdBackbone backbone_;
  graph::GraphBuilder builder_;
  layers::LayerWriter layers_;
  std::array<FeatureMap, kMaps> maps_;
};

}  // namespace

absl::StatusOr<SsdGraph> BuildSsd(const SsdArchitecture& architecture, uint64_t seed) {
  auto backbone = FindSsdBackbone(architecture.arch, architecture.depth);
  TY_RETURN_IF_ERROR(Validate(architecture, backbone.status()));
  backbone->options.seed = seed;
  return SsdBuilder(architecture, *std::move(backbone)).Build();
}

}  // namespace trainyard::networks
