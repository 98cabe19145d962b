#include "libs/networks/ssd/ssd_backbone.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_join.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::networks {
namespace {

constexpr int kMaps = 6;
/// Halvings before the first map, which has stride 8.
constexpr int kFirstHalvings = 3;

enum class Expansion { kSmall, kMiddle, kLarge };

/// As many blocks as there are maps without a tap.
std::vector<SsdExpansionBlock> BlocksOf(Expansion expansion, int taps) {
  std::vector<SsdExpansionBlock> blocks;
  switch (expansion) {
    case Expansion::kSmall:
      blocks = {SsdExpansionBlock{}, {64, 128, 2}};
      break;
    case Expansion::kMiddle:
      blocks = {{256, 256, 1}, {128, 256, 2}, {64, 128, 2}};
      break;
    case Expansion::kLarge:
      blocks = {{512, 512, 1}, {256, 512, 2}, {128, 256, 2}};
      break;
  }
  blocks.resize(kMaps - taps, blocks.back());
  return blocks;
}

struct Plan {
  const char* arch;
  /// 0: all depths of the architecture, or it has none.
  int depth;
  Expansion expansion;
  int taps = 1;
  int first_floor = 0, end_floor = 0;
};

/// TAO's SSD.
constexpr Plan kPlans[] = {
    {"resnet", 10, Expansion::kSmall},
    {"resnet", 18, Expansion::kMiddle},
    {"resnet", 34, Expansion::kMiddle},
    {"resnet", 50, Expansion::kLarge},
    {"resnet", 101, Expansion::kLarge},
    {"vgg", 0, Expansion::kLarge},
    {"darknet", 19, Expansion::kMiddle, 2, 0, 5},
    {"darknet", 53, Expansion::kLarge, 2},
    {"mobilenet_v1", 0, Expansion::kSmall},
    {"mobilenet_v2", 0, Expansion::kSmall},
    {"squeezenet", 0, Expansion::kSmall},
    {"googlenet", 0, Expansion::kLarge, 1, 1, 4},
    {"efficientnet_b0", 0, Expansion::kLarge, 2},
    {"efficientnet_b1", 0, Expansion::kLarge, 2},
    {"efficientnet_lite0", 0, Expansion::kLarge, 2},
    {"efficientnet_lite1", 0, Expansion::kLarge, 2},
    {"efficientnet_lite2", 0, Expansion::kLarge, 2},
};

/// nullptr when there is none.
const Plan* FindPlan(absl::string_view arch, int depth) {
  const auto* plan = std::find_if(std::begin(kPlans), std::end(kPlans), [&](const Plan& p) {
    return p.arch == arch && (p.depth == 0 || p.depth == depth);
  });
  return plan == std::end(kPlans) ? nullptr : plan;
}

layers::BackboneOptions OptionsOf(absl::string_view arch, int depth) {
  layers::BackboneOptions options{
      .arch = std::string(arch), .n_layers = depth, .total_stride = 16};
  if (arch == "darknet") options.activation = layers::Activation::kRelu;
  return options;
}

}  // namespace

const std::vector<std::string>& SsdArchs() {
  static const auto& archs = *[] {
    auto* all = new std::vector<std::string>;
    for (const Plan& plan : kPlans) {
      if (all->empty() || all->back() != plan.arch) all->emplace_back(plan.arch);
    }
    return all;
  }();
  return archs;
}

std::vector<int> SsdDepths(absl::string_view arch) {
  for (const layers::Architecture& one : layers::Architectures()) {
    if (one.arch != arch) continue;
    std::vector<int> depths = one.depths;
    std::erase_if(depths, [arch](int depth) { return FindPlan(arch, depth) == nullptr; });
    return depths;
  }
  return {};
}

layers::BlockRange SsdBlocks(absl::string_view arch) {
  return layers::BlocksOf(OptionsOf(arch, /*depth=*/0));
}

absl::StatusOr<SsdBackbone> FindSsdBackbone(absl::string_view arch, int depth) {
  const std::vector<std::string>& archs = SsdArchs();
  const std::vector<int> depths = SsdDepths(arch);
  Problems problems;
  if (std::find(archs.begin(), archs.end(), arch) == archs.end()) {
    problems.Add("arch", "is '%s'; SSD is offered on %s%s", Shown(arch),
                 absl::StrJoin(archs, ", "), DidYouMean(arch, archs));
  } else if (!depths.empty() && std::count(depths.begin(), depths.end(), depth) == 0) {
    problems.Add("nlayers", "is %d; SSD is offered on %s with %s", depth, arch,
                 absl::StrJoin(depths, ", "));
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  const Plan& plan = *FindPlan(arch, depth);
  return SsdBackbone{.options = OptionsOf(arch, depth),
                     .taps = plan.taps,
                     .expansion = BlocksOf(plan.expansion, plan.taps),
                     .first_floor = plan.first_floor,
                     .end_floor = plan.end_floor};
}

std::array<MapSize, 6> SsdMapSizes(const SsdBackbone& backbone, int64_t height, int64_t width) {
  std::array<MapSize, 6> sizes;
  MapSize size{height, width};
  for (int halving = 0; halving < kFirstHalvings + kMaps - 1; ++halving) {
    const bool floor = backbone.first_floor <= halving && halving < backbone.end_floor;
    const int64_t more = floor ? 0 : 1;
    size = {(size.height + more) / 2, (size.width + more) / 2};
    if (halving >= kFirstHalvings - 1) sizes[halving - kFirstHalvings + 1] = size;
  }
  return sizes;
}

}  // namespace trainyard::networks
