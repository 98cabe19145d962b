#include "libs/pruning/prune.h"

#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/edit.h"
#include "libs/pruning/channels.h"
#include "libs/pruning/internal/advice.h"
#include "libs/pruning/internal/plan.h"
#include "libs/pruning/slices.h"
#include "onnx/onnx_pb.h"

namespace trainyard::pruning {
namespace {

using internal::Kept;
using internal::Plan;

std::vector<std::string> UnknownNameWarnings(const graph::Graph& graph,
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

onnx::NodeProto* MutableNode(graph::Graph& graph, const std::string& name) {
  for (onnx::NodeProto& node : *graph.mutable_proto().mutable_graph()->mutable_node()) {
    if (node.name() == name) return &node;
  }
  return nullptr;
}

/// A Reshape that counts the channels it reads gets a target that does not.
absl::Status RewriteReshapes(const Plan& plan, const Kept& kept, graph::Graph& graph) {
  bool rewritten = false;
  for (const ChannelReshape& reshape : plan.map().reshapes()) {
    const auto places = static_cast<int64_t>(PlacesKept(reshape.channels, kept).size());
    if (places == PlaceCount(reshape.channels)) continue;
    onnx::NodeProto& node = *MutableNode(graph, reshape.node);
    TY_ASSIGN_OR_RETURN(const Tensor target, graph.Initializer(node.input(1)));
    const auto numbers = target.data<int64_t>();
    if (Shape(numbers.begin(), numbers.end()) == reshape.target) continue;
    const std::string name = graph::UnusedName(graph, absl::StrCat(reshape.node, "/shape"));
    const auto rank = static_cast<int64_t>(reshape.target.size());
    TY_RETURN_IF_ERROR(graph.SetInitializer(
        name, Tensor::Of<int64_t>({rank}, absl::MakeConstSpan(reshape.target))));
    node.set_input(1, name);
    node.clear_attribute();  // allowzero: a zero now keeps a dimension
    rewritten = true;
  }
  if (rewritten) graph::RemoveUnusedInitializers(graph);
  return absl::OkStatus();
}

/// Cuts weights and what the nodes say of them. Shapes that others wrote down no longer hold.
absl::Status Apply(const Plan& plan, const Kept& kept, graph::Graph& graph) {
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
  TY_RETURN_IF_ERROR(RewriteReshapes(plan, kept, graph));
  TY_RETURN_IF_ERROR(graph.Check());
  return trainyard::internal::ToStatus(graph.InferShapes());
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

std::optional<int64_t> MacsOf(const graph::Graph& graph) {
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
  TY_ASSIGN_OR_RETURN(const auto advice, internal::AdviceOn(plan, options, result));
  result.warnings.insert(result.warnings.end(), advice.begin(), advice.end());
  result.warnings.insert(result.warnings.end(), model.graph.notes().begin(),
                         model.graph.notes().end());
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
  if (removed == 0) return -1;  // below every score
  TY_ASSIGN_OR_RETURN(const Plan plan, Plan::Make(model.graph, options));
  return plan.ThresholdFor(removed);
}

}  // namespace trainyard::pruning
