#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard::pruning {

/// A run of channels in a value: all `width` channels of one layer, each `repeat` places long (more
/// than one after a Flatten). A layer of kFixedChannels stands for channels that nobody may remove.
inline constexpr int kFixedChannels = -1;
struct ChannelRun {
  int layer = kFixedChannels;
  int64_t width = 0;
  int64_t repeat = 1;
  bool operator==(const ChannelRun&) const = default;
};

/// What lies along axis 1 of a value, in order. Empty: the value has no such axis.
using Channels = std::vector<ChannelRun>;

/// A layer whose filters can be scored: Conv, depthwise Conv, Gemm, MatMul with constant weights.
struct ScoredLayer {
  std::string name;
  std::string kernel;
  /// The axis of `kernel` along which the filters lie, and their number.
  int64_t axis = 0;
  int64_t channels = 0;
};

/// Along `axis` the initializer holds one place for each of `channels`; `reader` is the node.
struct ChannelSlice {
  std::string initializer;
  int64_t axis = 0;
  Channels channels;
  std::string reader;
};

/// A Reshape that may count the channels of what it reads, and a target that says the same without.
struct ChannelReshape {
  std::string node;
  Shape target;
  Channels channels;
};

/// Layers that keep all their channels because something that reads them could not follow.
struct KeptLayers {
  /// "node 'permute' (Transpose) has no channel rule".
  std::string reason;
  /// By name, without those that keep theirs for another reason as well (heads, exclusions).
  std::vector<std::string> layers;
};

/// Where the channels of every layer of a graph go: who must keep the same ones, which weights hold
/// them, who cannot bear a loss. Knows nothing of scores.
///
/// Rules: Conv, Gemm and MatMul begin new channels; a depthwise Conv, BatchNormalization,
/// activations, pooling, Pad, Resize, Dropout, Identity, Cast and reductions of height and width
/// pass theirs on; Add, Sub, Mul, Div, Max, Min, Mean, Sum, Pow and PRelu make those of their
/// operands agree (a constant that makes several channels of one stays whole); Concat on axis 1
/// puts them side by side; Flatten on axis 1, and a Reshape that does the same, makes runs of them,
/// and a Reshape that leaves axis 1 alone passes them on; ConvTranspose with one group takes fewer
/// and makes all of its own. What shares a weight agrees along each axis of it: layers that share a
/// kernel keep the same filters, and producers that feed one kernel the same channels. Every other
/// node is a barrier.
///
/// Fixed, with all layers that must agree with them: layers in `excluded`, layers with no Conv,
/// ConvTranspose, Gemm or MatMul behind them (heads), channels of graph inputs and outputs, and
/// what a barrier or the body of a node reads.
class ChannelMap {
 public:
  /// kInvalidArgument when shapes contradict each other or weights do not fit what they are applied
  /// to.
  static absl::StatusOr<ChannelMap> Trace(const graph::Graph& graph,
                                          const std::set<std::string>& excluded);

  /// In the order of the graph.
  const std::vector<ScoredLayer>& layers() const { return layers_; }
  /// Layers that keep the same channels, each group and the groups by their first layer.
  std::vector<std::vector<int>> Groups() const;
  /// The first layer of the group that `layer` belongs to.
  int GroupOf(int layer) const;
  bool IsFixed(int layer) const { return fixed_[GroupOf(layer)]; }

  const std::vector<ChannelSlice>& slices() const { return slices_; }
  /// Who is fixed for want of a rule; barriers in `excluded` are left out, as they were asked for.
  const std::vector<KeptLayers>& kept() const { return kept_; }
  /// Depthwise nodes and what lies in them: their `group` attribute is the number of channels.
  const std::vector<std::pair<std::string, Channels>>& depthwise() const { return depthwise_; }
  const std::vector<ChannelReshape>& reshapes() const { return reshapes_; }

 private:
  friend class ChannelTracer;
  std::vector<ScoredLayer> layers_;
  /// Union-find: the parent of each layer, a lower index or itself; `fixed_` holds at the roots.
  std::vector<int> parent_;
  std::vector<bool> fixed_;
  std::vector<ChannelSlice> slices_;
  std::vector<KeptLayers> kept_;
  std::vector<std::pair<std::string, Channels>> depthwise_;
  std::vector<ChannelReshape> reshapes_;
};

/// The places along an axis that stay, ascending, when layer i keeps `kept[i]` (indices of its
/// channels, ascending). Fixed runs stay whole.
std::vector<int64_t> PlacesKept(const Channels& channels,
                                const std::vector<std::vector<int64_t>>& kept);

/// Whether both are built alike: the same widths and repeats in the same order, of whatever layers.
bool SameRuns(const Channels& a, const Channels& b);

/// Places along the axis before anything goes.
int64_t PlaceCount(const Channels& channels);

}  // namespace trainyard::pruning
