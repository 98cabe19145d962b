#include "libs/pruning/internal/plan.h"

#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/pruning/scores.h"
#include "libs/pruning/selection.h"
#include "libs/pruning/slices.h"
#include "onnx/onnx_pb.h"

namespace trainyard::pruning::internal {
namespace {

/// TAO's common tool protects these by name, whatever the network.
const std::vector<std::string>& ForcedExclusions() {
  static const auto& names = *new std::vector<std::string>{"ssd_conf_0",
                                                           "ssd_conf_1",
                                                           "ssd_conf_2",
                                                           "ssd_conf_3",
                                                           "ssd_conf_4",
                                                           "ssd_conf_5",
                                                           "ssd_loc_0",
                                                           "ssd_loc_1",
                                                           "ssd_loc_2",
                                                           "ssd_loc_3",
                                                           "ssd_loc_4",
                                                           "ssd_loc_5",
                                                           "ssd_predictions",
                                                           "rpn_out_class",
                                                           "rpn_out_regress",
                                                           "dense_class_td",
                                                           "dense_regress_td",
                                                           "conv_big_object",
                                                           "conv_mid_object",
                                                           "conv_sm_object",
                                                           "retinanet_predictions",
                                                           "retinanet_loc_regressor",
                                                           "retinanet_conf_regressor"};
  return names;
}

/// The first element that is no number; nothing when all are.
std::optional<float> NotFinite(const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32) return std::nullopt;
  for (const float value : tensor.data<float>()) {
    if (!std::isfinite(value)) return value;
  }
  return std::nullopt;
}

}  // namespace

Plan::Plan(const graph::Graph& graph, ChannelMap map, const PruneOptions& options)
    : graph_(graph), map_(std::move(map)), options_(options) {
  for (const onnx::TensorProto& tensor : graph.proto().graph().initializer()) {
    shapes_[tensor.name()] = Shape(tensor.dims().begin(), tensor.dims().end());
  }
}

absl::StatusOr<Plan> Plan::Make(const graph::Graph& graph, const PruneOptions& options) {
  std::set<std::string> excluded(ForcedExclusions().begin(), ForcedExclusions().end());
  excluded.insert(options.excluded_layers.begin(), options.excluded_layers.end());
  TY_ASSIGN_OR_RETURN(ChannelMap map, ChannelMap::Trace(graph, excluded));
  Plan plan(graph, std::move(map), options);
  TY_RETURN_IF_ERROR(plan.CheckWeights());
  TY_RETURN_IF_ERROR(plan.Score());
  return plan;
}

absl::StatusOr<Kept> Plan::Select(double threshold) const {
  const SelectionRule rule{.threshold = threshold,
                           .granularity = options_.granularity,
                           .min_channels = options_.min_filters};
  Kept kept(map_.layers().size());
  for (const Group& group : groups_) {
    std::vector<int64_t> channels(map_.layers()[group.members[0]].channels);
    std::iota(channels.begin(), channels.end(), 0);
    if (!group.scores.empty()) {
      TY_ASSIGN_OR_RETURN(channels, SelectChannels(group.scores, rule));
    }
    for (const int member : group.members) kept[member] = channels;
  }
  return kept;
}

absl::StatusOr<int64_t> Plan::ParametersAfter(const Kept& kept) const {
  TY_ASSIGN_OR_RETURN(const Cuts cuts, CutsOf(graph_, map_, kept));
  int64_t parameters = graph_.ParameterCount();
  for (const auto& [name, axes] : cuts) {
    const Shape& shape = shapes_.at(name);
    TY_ASSIGN_OR_RETURN(const int64_t whole, ElementCount(shape));
    int64_t left = whole;
    for (const auto& [axis, places] : axes) {
      left = left / shape[axis] * static_cast<int64_t>(places.size());
    }
    parameters -= whole - left;
  }
  return parameters;
}

absl::StatusOr<double> Plan::RemovedAt(double threshold) const {
  const double before = static_cast<double>(graph_.ParameterCount());
  TY_ASSIGN_OR_RETURN(const Kept kept, Select(threshold));
  TY_ASSIGN_OR_RETURN(const int64_t after, ParametersAfter(kept));
  return before == 0 ? 0 : 1 - static_cast<double>(after) / before;
}

std::vector<float> Plan::Thresholds() const {
  std::set<float> all;
  for (const Group& group : groups_) all.insert(group.scores.begin(), group.scores.end());
  return {all.begin(), all.end()};
}

absl::StatusOr<double> Plan::ThresholdFor(double removed) const {
  const std::vector<float> thresholds = Thresholds();
  TY_ASSIGN_OR_RETURN(const double most,
                      RemovedAt(thresholds.empty() ? 0 : double{thresholds.back()}));
  if (most < removed || thresholds.empty()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "at most %.1f %% of the parameters can be removed with min_num_filters %d, granularity %d "
        "and the layers that are excluded; asked for %.1f %%",
        100 * most, options_.min_filters, options_.granularity, 100 * removed));
  }
  size_t low = 0, high = thresholds.size() - 1;  // the answer lies in [low, high]
  while (low < high) {
    const size_t middle = (low + high) / 2;
    TY_ASSIGN_OR_RETURN(const double part, RemovedAt(thresholds[middle]));
    if (part >= removed) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return thresholds[high];
}

absl::Status Plan::CheckWeights() const {
  Problems problems;
  std::set<std::string> seen;
  for (const ChannelSlice& slice : map_.slices()) {
    if (!seen.insert(slice.initializer).second) continue;
    TY_ASSIGN_OR_RETURN(const Tensor tensor, graph_.Initializer(slice.initializer));
    const std::optional<float> bad = NotFinite(tensor);
    if (!bad.has_value()) continue;
    problems.Add(absl::StrCat("node '", slice.reader, "'"),
                 "has %g among its weights '%s'; expected finite numbers. A training that "
                 "diverged leaves such; take an earlier checkpoint",
                 *bad, slice.initializer);
  }
  return problems.ToStatus();
}

absl::Status Plan::Score() {
  for (std::vector<int>& members : map_.Groups()) {
    Group group{.members = std::move(members)};
    if (!map_.IsFixed(group.members[0])) {
      std::vector<std::vector<float>> scores;
      for (const int member : group.members) {
        TY_ASSIGN_OR_RETURN(std::vector<float> score, ScoreOf(map_.layers()[member]));
        scores.push_back(std::move(score));
      }
      group.scores = MergeScores(scores, options_.equalization);
    }
    groups_.push_back(std::move(group));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> Plan::ScoreOf(const ScoredLayer& layer) const {
  TY_ASSIGN_OR_RETURN(const Tensor kernel, graph_.Initializer(layer.kernel));
  const auto norms = FilterNorms(kernel, layer.axis);
  if (!norms.ok()) return Annotate(norms.status(), absl::StrCat("node '", layer.name, "'"));
  return NormalizeNorms(*norms, options_.normalizer, options_.tao_compat);
}

}  // namespace trainyard::pruning::internal
