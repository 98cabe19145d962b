#include "libs/pruning/channels.h"

#include <algorithm>

#include "libs/base/status.h"
#include "libs/pruning/internal/tracer.h"

namespace trainyard::pruning {

bool SameRuns(const Channels& a, const Channels& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.width == y.width && x.repeat == y.repeat;
  });
}

absl::StatusOr<ChannelMap> ChannelMap::Trace(const graph::Graph& graph,
                                             const std::set<std::string>& excluded) {
  TY_ASSIGN_OR_RETURN(const auto shapes, graph.InferShapes());
  return ChannelTracer(graph, excluded, shapes).Trace();
}

int ChannelMap::GroupOf(int layer) const {
  while (parent_[layer] != layer) layer = parent_[layer];
  return layer;
}

std::vector<std::vector<int>> ChannelMap::Groups() const {
  std::map<int, std::vector<int>> by_root;
  for (int i = 0; i < static_cast<int>(layers_.size()); ++i) by_root[GroupOf(i)].push_back(i);
  std::vector<std::vector<int>> groups;
  for (auto& [root, members] : by_root) groups.push_back(std::move(members));
  return groups;
}

std::vector<int64_t> PlacesKept(const Channels& channels,
                                const std::vector<std::vector<int64_t>>& kept) {
  std::vector<int64_t> places;
  int64_t offset = 0;
  for (const ChannelRun& run : channels) {
    const bool fixed = run.layer == kFixedChannels;
    const int64_t count = fixed ? run.width : static_cast<int64_t>(kept[run.layer].size());
    for (int64_t i = 0; i < count; ++i) {
      const int64_t channel = fixed ? i : kept[run.layer][i];
      for (int64_t r = 0; r < run.repeat; ++r) places.push_back(offset + channel * run.repeat + r);
    }
    offset += run.width * run.repeat;
  }
  return places;
}

int64_t PlaceCount(const Channels& channels) {
  int64_t places = 0;
  for (const ChannelRun& run : channels) places += run.width * run.repeat;
  return places;
}

}  // namespace trainyard::pruning
