#include "libs/pruning/prune.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/pruning/channels.h"
#include "libs/pruning/selection.h"
#include "libs/pruning/slices.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
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

std::vector<std::string> UnknownNameWarnings(const Graph& graph,
                                             const std::vector<std::string>& excluded) {
  std::vector<std::string> known, warnings;
  for (const onnx::NodeProto* node : graph.nodes()) known.push_back(node->name());
  for (const std::string& name : excluded) {
    if (graph.FindNode(name) != nullptr) continue;
    warnings.push_back(absl::StrCat("excluded_layers names '", name,
                                    "', which the model does not have", DidYouMean(name, known)));
  }
  return warnings;
}

using Kept = std::vector<std::vector<int64_t>>;

/// The channels of a graph and the score that decides on each; asked with several thresholds.
class Plan {
 public:
  static absl::StatusOr<Plan> Make(const Graph& graph, const PruneOptions& options) {
    std::set<std::string> excluded(ForcedExclusions().begin(), ForcedExclusions().end());
    excluded.insert(options.excluded_layers.begin(), options.excluded_layers.end());
    TY_ASSIGN_OR_RETURN(ChannelMap map, ChannelMap::Trace(graph, excluded));
    Plan plan(graph, std::move(map), options);
    TY_RETURN_IF_ERROR(plan.Score());
    return plan;
  }

  const ChannelMap& map() const { return map_; }

  /// The channels that each layer keeps.
  absl::StatusOr<Kept> Select(double threshold) const {
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

  /// kUnimplemented when a node would have to follow that cannot.
  absl::Status CheckBarriers(const Kept& kept) const {
    Problems problems;
    for (const ChannelBarrier& barrier : map_.barriers()) {
      for (const ChannelRun& run : barrier.input) {
        if (run.layer == kFixedChannels) continue;
        const ScoredLayer& layer = map_.layers()[run.layer];
        if (static_cast<int64_t>(kept[run.layer].size()) == layer.channels) continue;
        problems.Add(barrier.description,
                     "has no pruning rule, and reads the pruned layer '%s'; list it in "
                     "excluded_layers",
                     layer.name);
      }
    }
    return problems.ToStatus(absl::StatusCode::kUnimplemented);
  }

  /// Parameters that are left, without making anything.
  absl::StatusOr<int64_t> ParametersAfter(const Kept& kept) const {
    TY_ASSIGN_OR_RETURN(const Cuts cuts, CutsOf(graph_, map_, kept));
    int64_t parameters = graph_.ParameterCount();
    for (const auto& [name, axes] : cuts) {
      TY_ASSIGN_OR_RETURN(const Tensor tensor, graph_.Initializer(name));
      int64_t left = tensor.size();
      for (const auto& [axis, places] : axes) {
        left = left / tensor.dim(axis) * static_cast<int64_t>(places.size());
      }
      parameters -= tensor.size() - left;
    }
    return parameters;
  }

  /// Every score once, ascending: the thresholds at which something changes.
  std::vector<float> Thresholds() const {
    std::set<float> all;
    for (const Group& group : groups_) all.insert(group.scores.begin(), group.scores.end());
    return {all.begin(), all.end()};
  }

 private:
  struct Group {
    std::vector<int> members;
    /// One score a channel; empty when the group is fixed.
    std::vector<float> scores;
  };

  Plan(const Graph& graph, ChannelMap map, const PruneOptions& options)
      : graph_(graph), map_(std::move(map)), options_(options) {}

  absl::Status Score() {
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

  absl::StatusOr<std::vector<float>> ScoreOf(const ScoredLayer& layer) const {
    TY_ASSIGN_OR_RETURN(const Tensor kernel, graph_.Initializer(layer.kernel));
    const auto norms = FilterNorms(kernel, layer.axis);
    if (!norms.ok()) return Annotate(norms.status(), absl::StrCat("node '", layer.name, "'"));
    return NormalizeNorms(*norms, options_.normalizer, options_.tao_compat);
  }

  const Graph& graph_;
  ChannelMap map_;
  const PruneOptions& options_;
  std::vector<Group> groups_;
};

/// Cuts weights and what the nodes say of them. Shapes that others wrote down no longer hold.
absl::Status Apply(const Plan& plan, const Kept& kept, Graph& graph) {
  TY_ASSIGN_OR_RETURN(const Cuts cuts, CutsOf(graph, plan.map(), kept));
  for (const auto& [name, axes] : cuts) {
    TY_ASSIGN_OR_RETURN(Tensor tensor, graph.Initializer(name));
    for (const auto& [axis, places] : axes) tensor = Take(tensor, axis, places);
    TY_RETURN_IF_ERROR(graph.SetInitializer(name, tensor));
  }
  std::map<std::string, int64_t> groups;
  for (const auto& [node, channels] : plan.map().depthwise()) {
    groups[node] = static_cast<int64_t>(PlacesKept(channels, kept).size());
  }
  onnx::GraphProto& proto = *graph.mutable_proto().mutable_graph();
  for (onnx::NodeProto& node : *proto.mutable_node()) {
    const auto it = groups.find(node.name());
    if (it == groups.end()) continue;
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.name() == "group") attribute.set_i(it->second);
    }
  }
  proto.clear_value_info();
  graph.Reindex();
  TY_RETURN_IF_ERROR(graph.Check());
  return internal::ToStatus(graph.InferShapes());
}

std::vector<PrunedLayer> TableOf(const ChannelMap& map, const Kept& kept) {
  std::vector<PrunedLayer> table;
  for (int i = 0; i < static_cast<int>(map.layers().size()); ++i) {
    const ScoredLayer& layer = map.layers()[i];
    table.push_back({.name = layer.name,
                     .channels_before = layer.channels,
                     .channels_after = static_cast<int64_t>(kept[i].size()),
                     .group = map.layers()[map.GroupOf(i)].name,
                     .fixed = map.IsFixed(i)});
  }
  return table;
}

std::optional<int64_t> MacsOf(const Graph& graph) {
  const absl::StatusOr<int64_t> macs = graph.MacCount();
  if (!macs.ok()) return std::nullopt;
  return *macs;
}

}  // namespace

absl::Status Validate(const PruneOptions& options) {
  Problems problems;
  if (!std::isfinite(options.threshold)) {
    problems.Add("threshold", "is %g; expected a finite number", options.threshold);
  }
  if (options.granularity < 1) {
    problems.Add("granularity", "is %d; expected at least 1", options.granularity);
  }
  if (options.min_filters < 0) {
    problems.Add("min_num_filters", "is %d; expected at least 0", options.min_filters);
  }
  return problems.ToStatus();
}

absl::StatusOr<PruneResult> Prune(const Model& model, const PruneOptions& options) {
  TY_RETURN_IF_ERROR(Validate(options));
  TY_ASSIGN_OR_RETURN(const Plan plan, Plan::Make(model.graph, options));
  TY_ASSIGN_OR_RETURN(const Kept kept, plan.Select(options.threshold));
  TY_RETURN_IF_ERROR(plan.CheckBarriers(kept));
  PruneResult result{.model = {model.graph.Clone(), model.record}};
  TY_RETURN_IF_ERROR(Annotate(Apply(plan, kept, result.model.graph), "the pruned graph is wrong"));
  result.parameters_before = model.graph.ParameterCount();
  result.parameters_after = result.model.graph.ParameterCount();
  if (result.parameters_before > 0) {
    result.ratio = static_cast<double>(result.parameters_after) /
                   static_cast<double>(result.parameters_before);
  }
  result.macs_before = MacsOf(model.graph);
  result.macs_after = MacsOf(result.model.graph);
  result.layers = TableOf(plan.map(), kept);
  result.warnings = UnknownNameWarnings(model.graph, options.excluded_layers);
  if (result.parameters_after < result.parameters_before) {
    result.model.record.mutable_training()->set_pruned(true);
  }
  return result;
}

absl::StatusOr<double> ThresholdForRatio(const Model& model, const PruneOptions& options,
                                         double removed) {
  TY_RETURN_IF_ERROR(Validate(options));
  if (!(removed >= 0 && removed <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the part to remove is %g; expected 0 to 1", removed));
  }
  TY_ASSIGN_OR_RETURN(const Plan plan, Plan::Make(model.graph, options));
  const double before = static_cast<double>(model.graph.ParameterCount());
  const auto removed_at = [&](double threshold) -> absl::StatusOr<double> {
    TY_ASSIGN_OR_RETURN(const Kept kept, plan.Select(threshold));
    TY_ASSIGN_OR_RETURN(const int64_t after, plan.ParametersAfter(kept));
    return before == 0 ? 0 : 1 - static_cast<double>(after) / before;
  };
  if (removed == 0) return -1;  // below every score
  const std::vector<float> thresholds = plan.Thresholds();
  TY_ASSIGN_OR_RETURN(const double most,
                      removed_at(thresholds.empty() ? 0 : double{thresholds.back()}));
  if (most < removed) {
    return absl::FailedPreconditionError(
        absl::StrFormat("at most %.1f %% of the parameters can be removed with min_num_filters %d, "
                        "granularity %d and the "
                        "layers that are excluded; asked for %.1f %%",
                        100 * most, options.min_filters, options.granularity, 100 * removed));
  }
  size_t low = 0, high = thresholds.size() - 1;  // the answer lies in [low, high]
  while (low < high) {
    const size_t middle = (low + high) / 2;
    TY_ASSIGN_OR_RETURN(const double part, removed_at(thresholds[middle]));
    if (part >= removed) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  TY_ASSIGN_OR_RETURN(const Kept kept, plan.Select(thresholds[high]));
  TY_RETURN_IF_ERROR(plan.CheckBarriers(kept));
  return thresholds[high];
}

}  // namespace trainyard
