#include "libs/networks/ssd/ssd_builder.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/networks/ssd/initial_weights.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
namespace {

constexpr int kMaps = 6;

/// One expansion block: 1x1 to `squeeze` channels, then 3x3 to `channels` with `stride`. No
/// channels: the block is left out and its map is the backbone's output.
struct ExpansionBlock {
  int64_t squeeze = 0, channels = 0, stride = 0;
};

/// What differs from depth to depth.
struct ResNetPlan {
  /// Units of each of the four blocks.
  std::array<int, 4> units;
  /// The layer that gives the first prediction map.
  std::string tap;
  std::array<ExpansionBlock, 5> expansion;
};

ResNetPlan PlanOf(int depth) {
  if (depth == 10) {
    const ExpansionBlock small{64, 128, 2};
    return {{1, 1, 1, 1}, "block_2a_relu", {ExpansionBlock{}, small, small, small, small}};
  }
  const ExpansionBlock last{64, 128, 2};
  return {{2, 2, 2, 2}, "block_2b_relu", {{{256, 256, 1}, {128, 256, 2}, last, last, last}}};
}

constexpr std::array<int64_t, 4> kBlockChannels = {64, 128, 256, 512};
/// The last block keeps stride 16.
constexpr std::array<int64_t, 4> kBlockStrides = {2, 2, 2, 1};

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

/// A value in the making and its number of channels.
struct Value {
  std::string name;
  int64_t channels = 0;
};

class SsdBuilder {
 public:
  SsdBuilder(const SsdArchitecture& architecture, uint64_t seed)
      : architecture_(architecture),
        plan_(PlanOf(architecture.depth)),
        seed_(seed),
        builder_(absl::StrCat("ssd_resnet", architecture.depth)) {}

  absl::StatusOr<Graph> Build() && {
    const SsdArchitecture& a = architecture_;
    const Value input{builder_.Input(kSsdInput, {-1, a.channels, a.height, a.width}), a.channels};
    Expand(Backbone(input));
    const auto sizes = SsdMapSizes(a.height, a.width);
    int64_t anchors = 0;
    for (int i = 0; i < kMaps; ++i) {
      anchors += sizes[i].height * sizes[i].width * a.boxes_per_cell[i];
    }
    builder_.Output(Heads("conf", kSsdConfidence, a.classes + 1), {-1, anchors, a.classes + 1});
    builder_.Output(Heads("loc", kSsdLocation, 4), {-1, anchors, 4});
    return std::move(builder_).Finish();
  }

 private:
  /// A convolution with TAO's padding for SAME: (kernel - 1 + 1) / 2 on each side.
  Value Conv(const std::string& name, const Value& x, int64_t channels, int64_t kernel,
             int64_t stride, bool bias, KernelInit init = KernelInit::kGlorotUniform) {
    const Tensor weights = InitialKernel(init, {channels, x.channels, kernel, kernel}, seed_,
                                         absl::StrCat(name, "/kernel"));
    std::optional<Tensor> zeros;
    if (bias) zeros = Tensor::Zeros(DType::kFloat32, {channels});
    return {builder_.Conv(name, x.name, weights, zeros, {.stride = stride, .pad = kernel / 2}),
            channels};
  }

  Value Norm(const std::string& name, const Value& x) {
    const std::vector<float> ones(x.channels, 1.0f);
    builder_.BatchNorm(name, x.name,
                       {.gamma = Tensor::Of<float>({x.channels}, ones),
                        .beta = Tensor::Zeros(DType::kFloat32, {x.channels}),
                        .mean = Tensor::Zeros(DType::kFloat32, {x.channels}),
                        .variance = Tensor::Of<float>({x.channels}, ones)});
    return {name, x.channels};
  }

  Value Relu(const std::string& name, const Value& x) {
    return {builder_.Relu(name, x.name), x.channels};
  }

  /// Two 3x3 convolutions beside a 1x1 projection, added.
  Value Unit(const std::string& name, const Value& x, int64_t channels, int64_t stride) {
    const auto part = [&name](absl::string_view suffix) { return absl::StrCat(name, suffix); };
    Value y = Norm(part("_bn_1"), Conv(part("_conv_1"), x, channels, 3, stride, false));
    y = Relu(part("_relu_1"), y);
    y = Norm(part("_bn_2"), Conv(part("_conv_2"), y, channels, 3, 1, false));
    const Value shortcut =
        Norm(part("_bn_shortcut"), Conv(part("_conv_shortcut"), x, channels, 1, stride, false));
    const Value sum{builder_.Add(part("_add"), y.name, shortcut.name), channels};
    return Relu(part("_relu"), sum);
  }

  /// Fills the first map and returns the backbone's output.
  Value Backbone(const Value& input) {
    Value x = Norm("bn_conv1", Conv("conv1", input, 64, 7, 2, false));
    x = Relu("conv1_relu", x);
    for (int block = 0; block < 4; ++block) {
      for (int unit = 0; unit < plan_.units[block]; ++unit) {
        const std::string name = absl::StrFormat("block_%d%c", block + 1, 'a' + unit);
        x = Unit(name, x, kBlockChannels[block], unit == 0 ? kBlockStrides[block] : 1);
        if (x.name == plan_.tap) maps_[0] = x;
      }
    }
    return x;
  }

  void Expand(Value x) {
    for (int b = 0; b < 5; ++b) {
      const ExpansionBlock& block = plan_.expansion[b];
      if (block.channels > 0) {
        const std::string name = absl::StrCat("ssd_expand_block_", b);
        x = Relu(absl::StrCat(name, "_relu_0"),
                 Conv(absl::StrCat(name, "_conv_0"), x, block.squeeze, 1, 1, true));
        x = Conv(absl::StrCat(name, "_conv_1"), x, block.channels, 3, block.stride, false);
        x = Relu(absl::StrCat(name, "_relu_1"), Norm(absl::StrCat(name, "_bn_1"), x));
      }
      maps_[b + 1] = x;
    }
  }

  /// `kind` is "conf" or "loc". Channel = box * values + value, so that NHWC flattens to [A,
  /// values].
  std::string Heads(const std::string& kind, const std::string& output, int64_t values) {
    std::vector<std::string> parts;
    for (int i = 0; i < kMaps; ++i) {
      const Value head =
          Conv(absl::StrCat("ssd_", kind, "_", i), maps_[i],
               architecture_.boxes_per_cell[i] * values, 3, 1, true, KernelInit::kHeNormal);
      const std::string rows =
          builder_.Transpose(absl::StrCat(kind, "_permute_", i), head.name, {0, 2, 3, 1});
      parts.push_back(builder_.Reshape(absl::StrCat(kind, "_reshape_", i), rows, {0, -1, values}));
    }
    return builder_.Concat(output, parts, 1);
  }

  const SsdArchitecture architecture_;
  const ResNetPlan plan_;
  const uint64_t seed_;
  GraphBuilder builder_;
  std::array<Value, kMaps> maps_;
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
