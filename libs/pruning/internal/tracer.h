#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/pruning/channels.h"

namespace trainyard::pruning {

/// Walks a graph once, in order, and fills a ChannelMap. Holds references; used once.
///
/// tracer.cc looks at the graph and writes the map; rules.cc has a rule for each family of
/// operators. A rule reads the channels of its inputs (Input), says which weights hold them (Slice)
/// and what its output has (Output), or gives up (Barrier).
class ChannelTracer {
 public:
  ChannelTracer(const graph::Graph& graph, const std::set<std::string>& excluded,
                const std::map<std::string, Shape>& shapes);
  absl::StatusOr<ChannelMap> Trace() &&;

 private:
  // --- looking at the graph ---

  const Shape* ShapeOf(const std::string& value) const;
  int64_t RankOf(const std::string& value) const;
  /// The product of the dimensions from `first` on; nothing when one is not known or the rank is
  /// smaller. PlaceCount and the kernels bound what is made of it.
  std::optional<int64_t> SizeFrom(const std::string& value, size_t first) const;
  /// Places on each channel, H * W.
  std::optional<int64_t> PlaneOf(const std::string& value) const;
  Channels FixedOf(const std::string& value) const;
  Channels Input(const onnx::NodeProto& node, int i) const;
  /// The same where weights with `places` channels read it: what has no known shape lies behind a
  /// barrier, where nothing is cut.
  Channels Input(const onnx::NodeProto& node, int i, int64_t places) const;
  /// Whether it is known how many channels the value has.
  bool HasChannels(const std::string& value) const;
  bool IsConstant(const onnx::NodeProto& node, int i) const;
  /// Whether input `i` holds weights that have channels at all.
  bool IsKernel(const onnx::NodeProto& node, int i) const;
  static std::string Describe(const onnx::NodeProto& node);

  // --- writing the map ---

  int Root(int layer) const;
  void Join(int a, int b);
  void Fix(const Channels& channels);
  void Output(const onnx::NodeProto& node, Channels channels);
  /// The weights at input `i` hold `channels` along `axis`. kInvalidArgument when their number
  /// differs.
  absl::Status Slice(const onnx::NodeProto& node, int i, int64_t axis, const Channels& channels);
  int AddLayer(const onnx::NodeProto& node, int64_t axis, int64_t channels);
  /// A node without a channel rule: what it reads must stay whole, what it makes nobody may cut.
  absl::Status Barrier(const onnx::NodeProto& node, absl::string_view why = "has no channel rule");
  /// Bodies of a node read values that are no inputs of it.
  void KeepForBodies(const onnx::NodeProto& node);
  void KeepWhole(std::string reason, const Channels& channels, bool asked_for);
  /// Fixes what the barriers read, and tells of the layers that would be free without them. Last,
  /// so that heads and what is bound to them are not told of.
  void KeepForBarriers();

  // --- one rule for each family of operators ---

  absl::Status Apply(const onnx::NodeProto& node);
  absl::Status Pass(const onnx::NodeProto& node);
  absl::Status Convolution(const onnx::NodeProto& node);
  /// Slices kernel and bias of a convolution along its filters and puts those out.
  absl::Status Filters(const onnx::NodeProto& node, const Channels& own);
  /// As many channels out as in: it must agree with its producer, and its own norms count too.
  /// Behind a Concat it only follows.
  absl::Status Depthwise(const onnx::NodeProto& node, int64_t channels);
  absl::Status Dense(const onnx::NodeProto& node);
  absl::Status BatchNorm(const onnx::NodeProto& node);
  /// Its own filters are never scored (TAO); it takes fewer inputs.
  absl::Status Transposed(const onnx::NodeProto& node);
  absl::Status Concat(const onnx::NodeProto& node);
  /// Flatten, and the Reshapes that do the same or leave batch and channels alone; others are
  /// barriers. What a Reshape does is read from the shapes before and after it.
  absl::Status Flatten(const onnx::NodeProto& node);
  /// Whether the axis of a Flatten is 1, counted from the end.
  bool IsSecondAxis(const onnx::NodeProto& node) const;
  /// Reductions of height and width leave the channels where they are.
  absl::Status Reduce(const onnx::NodeProto& node);
  /// Pad and Resize pass channels on when they leave batch and channel axes alone.
  absl::Status Spatial(const onnx::NodeProto& node);
  absl::Status Elementwise(const onnx::NodeProto& node);
  void Agree(const Channels& a, const Channels& b);
  /// The most channels that a constant operand has; more than the others' one make that many of it.
  int64_t ConstantWidth(const onnx::NodeProto& node, int64_t rank) const;
  /// Constant operands are aligned with the output from the right; those with one place serve all.
  absl::Status SliceConstants(const onnx::NodeProto& node, int64_t rank, const Channels& channels);
  /// A weight with several readers is cut once for all of them: along each axis they agree, or
  /// nothing that lies there is cut.
  void ShareWeights();
  /// Whether every node that reads the weight said along which axes it holds channels; the same
  /// ones, as a reader that takes an axis whole cannot share one that is cut.
  bool AllReadersSlice(const std::string& weight, const std::vector<size_t>& slices) const;
  bool AgreeOnAxes(const std::vector<size_t>& slices);

  const graph::Graph& graph_;
  const std::set<std::string>& excluded_;
  const std::map<std::string, Shape>& shapes_;
  const std::set<std::string> inner_;
  std::map<std::string, Channels> values_;
  /// What barriers read, and why it must stay whole.
  std::vector<std::pair<std::string, Channels>> kept_for_;
  ChannelMap map_;
};

}  // namespace trainyard::pruning
