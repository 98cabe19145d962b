#include "libs/networks/ssd/ssd_builder.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"
#include "libs/layers/layer_writer.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
namespace {

constexpr int kMaps = 6;

/// One expansion block: 1x1 to `squeeze` channels, then 3x3 to `channels` with `stride`. No
/// channels: the block is left out and its map is the backbone's output.
struct ExpansionBlock {
  int64_t squeeze = 0, channels = 0, stride = 0;
};

std::array<ExpansionBlock, 5> ExpansionOf(int depth) {
  const ExpansionBlock last{64, 128, 2};
  if (depth == 10) return {ExpansionBlock{}, last, last, last, last};
  return {{{256, 256, 1}, {128, 256, 2}, last, last, last}};
}

/// The backbone's map that gives the first prediction map; the others follow its output.
constexpr int64_t kFirstStride = 8;

absl::Status Validate(const SsdArchitecture& a) {
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
  TY_RETURN_IF_ERROR(problems.ToStatus());
  if (a.depth != 10 && a.depth != 18) {
    return absl::UnimplementedError(absl::StrFormat(
        "SSD on ResNet-%d is not offered yet; offered: ResNet-10, ResNet-18", a.depth));
  }
  return absl::OkStatus();
}

class SsdBuilder {
 public:
  SsdBuilder(const SsdArchitecture& architecture, uint64_t seed)
      : architecture_(architecture),
        seed_(seed),
        builder_(absl::StrCat("ssd_resnet", architecture.depth)),
        layers_(builder_, seed) {}

  absl::StatusOr<Graph> Build() && {
    const SsdArchitecture& a = architecture_;
    const FeatureMap input{.value = builder_.Input(kSsdInput, {-1, a.channels, a.height, a.width}),
                           .channels = a.channels,
                           .height = a.height,
                           .width = a.width};
    TY_ASSIGN_OR_RETURN(
        const layers::Backbone backbone,
        layers::AddBackbone(builder_, {.arch = "resnet", .n_layers = a.depth, .seed = seed_},
                            input));
    maps_[0] = *backbone.AtStride(kFirstStride);
    Expand(backbone.output());
    int64_t anchors = 0;
    for (int i = 0; i < kMaps; ++i) {
      anchors += maps_[i].height * maps_[i].width * a.boxes_per_cell[i];
    }
    builder_.Output(Heads("conf", kSsdConfidence, a.classes + 1), {-1, anchors, a.classes + 1});
    builder_.Output(Heads("loc", kSsdLocation, 4), {-1, anchors, 4});
    return std::move(builder_).Finish();
  }

 private:
  using FeatureMap = layers::FeatureMap;

  FeatureMap Relu(const std::string& name, const FeatureMap& x) {
    return layers_.Activate(name, x, layers::Activation::kRelu);
  }

  void Expand(FeatureMap x) {
    const std::array<ExpansionBlock, 5> expansion = ExpansionOf(architecture_.depth);
    for (int b = 0; b < 5; ++b) {
      const ExpansionBlock& block = expansion[b];
      if (block.channels > 0) {
        const std::string name = absl::StrCat("ssd_expand_block_", b);
        x = Relu(absl::StrCat(name, "_relu_0"),
                 layers_.Conv(absl::StrCat(name, "_conv_0"), x, block.squeeze, {.bias = true}));
        x = layers_.Conv(absl::StrCat(name, "_conv_1"), x, block.channels,
                         {.kernel = 3, .stride = block.stride});
        x = Relu(absl::StrCat(name, "_relu_1"), layers_.BatchNorm(absl::StrCat(name, "_bn_1"), x));
      }
      maps_[b + 1] = x;
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
  const uint64_t seed_;
  GraphBuilder builder_;
  layers::LayerWriter layers_;
  std::array<FeatureMap, kMaps> maps_;
};

}  // namespace

std::array<MapSize, 6> SsdMapSizes(int64_t height, int64_t width) {
  std::array<MapSize, 6> sizes;
  const auto half = [](int64_t n) { return (n + 1) / 2; };
  MapSize size{half(half(height)), half(half(width))};
  for (MapSize& map : sizes) {
    size = {half(size.height), half(size.width)};
    map = size;
  }
  return sizes;
}

absl::StatusOr<Graph> BuildSsdGraph(const SsdArchitecture& architecture, uint64_t seed) {
  TY_RETURN_IF_ERROR(Validate(architecture));
  return SsdBuilder(architecture, seed).Build();
}

std::vector<std::string> SsdBlockConvolutions(const Graph& graph, int64_t block) {
  const std::string prefix = absl::StrCat("block_", block);
  std::vector<std::string> names;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (node->op_type() != "Conv") continue;
    // "block_1a_conv_1": a letter must follow, or block 1 would be found in "block_10a".
    const bool in_block = block > 0 && absl::StartsWith(node->name(), prefix) &&
                          node->name().size() > prefix.size() &&
                          absl::ascii_isalpha(node->name()[prefix.size()]);
    if (in_block || (block == 0 && node->name() == "conv1")) names.push_back(node->name());
  }
  return names;
}

}  // namespace trainyard
